#include <catch2/catch.hpp>
#include <future>
#include <mutex>
#include <stdexcept>

#include "api/answerer.h"
#include "api/server_fixture.h"
#include "shared/time.h"
#include "shared/version.h"

namespace webhookd {

TEST_CASE("a connection serves one request after another") {
  const auto server = serve(echo);
  RawClient client(server->address());
  for (const std::string body : {"a", "", "ccc"}) {
    REQUIRE(client.send(post_request("/p", body)));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == "POST /p " + body);
    CHECK(answer->header("content-type") == "text/plain");
    CHECK(answer->header("connection").empty());
    CHECK(answer->header("keep-alive").empty());
  }
}

namespace {

// Takes what is posted to /later, and answers it when the test says so.
class Later {
 public:
  QuickHandler handler() {
    return [this](const HttpRequest& request, const Respond& respond) {
      if (request.path != "/later") return false;
      taken_.set_value(respond);
      return true;
    };
  }
  Respond taken() { return taken_.get_future().get(); }

 private:
  std::promise<Respond> taken_;
};

HttpResponse late_response() {
  HttpResponse response;
  response.status = 202;
  response.body = "late";
  return response;
}

}  // namespace

TEST_CASE("a request that is answered later holds no thread and no other connection up") {
  Later later;
  const auto server = started(
      bind_server(TcpAddress{"127.0.0.1", 0}, {}, 1, echo, render_refusal, later.handler()));
  RawClient waiting(server->address());
  REQUIRE(waiting.send(post_request("/later", "x") + post_request("/next", "y")));
  const Respond respond = later.taken();
  RawClient other(server->address());
  REQUIRE(other.send(post_request("/p", "z")));
  CHECK(other.receive()->body == "POST /p z");
  respond(late_response());
  const auto late = waiting.receive();
  REQUIRE(late);
  CHECK(late->status == 202);
  CHECK(late->body == "late");
  CHECK_FALSE(late->header("x-request-id").empty());
  CHECK(waiting.receive()->body == "POST /next y");
}

TEST_CASE("a server that stops waits for what is answered later") {
  Later later;
  const auto server = started(
      bind_server(TcpAddress{"127.0.0.1", 0}, {}, 1, echo, render_refusal, later.handler()));
  RawClient waiting(server->address());
  REQUIRE(waiting.send(post_request("/later", "x")));
  const Respond respond = later.taken();
  server->begin_stop();
  respond(late_response());
  CHECK(waiting.answers_until_end() == 1);
  server->stop();
}

TEST_CASE("requests that are sent without waiting are answered in order") {
  const auto server = serve(echo, {}, 4);
  RawClient client(server->address());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += post_request("/" + std::to_string(i), std::string(2000, 'x'));
  }
  REQUIRE(client.send(requests));
  for (int i = 0; i < 50; ++i) {
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->body.starts_with("POST /" + std::to_string(i) + " x"));
  }
}

TEST_CASE("a request may come byte by byte") {
  const auto server = serve(echo);
  RawClient client(server->address());
  for (const char byte : post_request("/p", "body")) REQUIRE(client.send({&byte, 1}));
  REQUIRE(client.receive()->body == "POST /p body");
}

TEST_CASE("a client that waits for 100 Continue gets it before it sends the body") {
  const auto server = serve(echo);
  RawClient client(server->address());
  REQUIRE(client.send(
      "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
  const auto interim = client.receive();
  REQUIRE(interim);
  CHECK(interim->head == "HTTP/1.1 100 Continue\r\n\r\n");
  REQUIRE(client.send("body"));
  CHECK(client.receive()->body == "POST /p body");
}

TEST_CASE("a client that waits for 100 Continue with too large a body gets the refusal instead") {
  const auto server = serve(echo);
  RawClient client(server->address());
  REQUIRE(client.send(
      "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\nExpect: 100-continue\r\n\r\n"));
  CHECK(client.receive()->status == 413);
}

TEST_CASE("a chunked body reaches the handler whole") {
  const auto server = serve(echo);
  RawClient client(server->address());
  REQUIRE(client.send("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
  REQUIRE(client.send("3\r\nabc\r\n"));
  REQUIRE(client.send("2;x=y\r\nde\r\n0\r\nT: t\r\n\r\n"));
  CHECK(client.receive()->body == "POST /p abcde");
}

TEST_CASE("HEAD is answered with the headers of GET and without its body") {
  const auto server = serve([](const HttpRequest& request) {
    HttpResponse response = echo(request);
    response.body = "0123456789";
    return response;
  });
  RawClient client(server->address());
  REQUIRE(client.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n" + get_request("/b")));
  const auto head = client.receive(RawClient::Body::none);
  REQUIRE(head);
  CHECK(head->header("content-length") == "10");
  CHECK(head->header("content-type") == "text/plain");
  CHECK(head->header("accept-ranges").empty());
  CHECK(client.receive()->body == "0123456789");
}

TEST_CASE("HEAD of what GET would stream tells its type and no length, and the connection stays") {
  const auto server = serve([](const HttpRequest& request) {
    HttpResponse response = echo(request);
    if (request.method != "HEAD") return response;
    response.body.clear();
    response.length = HttpResponse::Length::unknown;
    return response;
  });
  RawClient client(server->address());
  REQUIRE(client.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n" + get_request("/b")));
  const auto head = client.receive(RawClient::Body::none);
  REQUIRE(head);
  CHECK(head->header("content-length").empty());
  CHECK(head->header("content-type") == "text/plain");
  const auto next = client.receive();
  REQUIRE(next);
  CHECK(next->header("content-length") == std::to_string(next->body.size()));
}

TEST_CASE("204 and 304 have neither body nor Content-Length nor Content-Type") {
  for (const int status : {204, 304}) {
    const auto server = serve([status](const HttpRequest& request) {
      HttpResponse response = echo(request);
      response.status = status;
      return response;
    });
    RawClient client(server->address());
    REQUIRE(client.send(get_request("/") + get_request("/")));
    for (int i = 0; i < 2; ++i) {
      const auto answer = client.receive(RawClient::Body::none);
      REQUIRE(answer);
      CHECK(answer->status == status);
      CHECK(answer->header("content-length").empty());
      CHECK(answer->header("content-type").empty());
    }
  }
}

TEST_CASE("an empty answer says so and names no type") {
  const auto server = serve([](const HttpRequest&) {
    HttpResponse response;
    response.status = 404;
    return response;
  });
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/")));
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->status == 404);
  CHECK(answer->header("content-length") == "0");
  CHECK(answer->header("content-type").empty());
}

TEST_CASE("every answer carries date, version and a request id of its own or the caller's") {
  const auto server = serve(echo);
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/") + get_request("/")));
  const auto first = client.receive();
  const auto second = client.receive();
  REQUIRE((first && second));
  CHECK(first->header("x-request-id").size() == 16);
  CHECK(first->header("x-request-id").find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(first->header("x-request-id") != second->header("x-request-id"));
  CHECK(first->header("webhookd-version") == kVersion);
  const auto date = parse_http_date(first->header("date"));
  REQUIRE(date);
  CHECK(SystemClock().now() - *date < std::chrono::minutes(1));
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: my.id\r\n\r\n"));
  CHECK(client.receive()->header("x-request-id") == "my.id");
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: not sane\r\n\r\n"));
  CHECK(client.receive()->header("x-request-id").size() == 16);
  REQUIRE(client.send("GET /%00 HTTP/1.1\r\nHost: h\r\nX-Request-ID: my.id\r\n\r\n"));
  const auto refused = client.receive();
  REQUIRE(refused);
  CHECK(refused->status == 400);
  CHECK(refused->header("x-request-id").size() == 16);
  CHECK(refused->header("webhookd-version") == kVersion);
}

TEST_CASE("an HTTP date is in the preferred form") {
  using std::chrono::sys_days;
  using namespace std::chrono_literals;
  CHECK(format_http_date(sys_days{2026y / 11 / 3} + 9h + 5min + 7s) ==
        "Tue, 03 Nov 2026 09:05:07 GMT");
}

TEST_CASE("the handler sees the request's parts, its id and who sent it") {
  std::mutex mutex;
  HttpRequest seen;
  const auto server = serve([&](const HttpRequest& request) {
    const std::lock_guard lock(mutex);
    seen = request;
    return HttpResponse{};
  });
  RawClient client(server->address());
  REQUIRE(client.send("BREW /a%20b?x=1+2&x=3 HTTP/1.1\r\nHost: h\r\nX-Thing: %0d%0a\r\n\r\n"));
  const auto answer = client.receive();
  REQUIRE(answer);
  const std::lock_guard lock(mutex);
  CHECK(seen.method == "BREW");
  CHECK(seen.path == "/a b");
  CHECK(seen.query_value("x") == "1 2");
  CHECK_FALSE(seen.query_value("y"));
  CHECK(seen.header("x-thing") == "%0d%0a");
  CHECK_FALSE(seen.header("x-other"));
  CHECK(seen.remote == "127.0.0.1");
  CHECK_FALSE(seen.peer);
  CHECK(seen.request_id == answer->header("x-request-id"));
}

TEST_CASE("Range, Accept-Encoding and unknown methods are the handler's business alone") {
  const auto server = serve(echo);
  RawClient client(server->address());
  REQUIRE(client.send(
      "BREW /p HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\nAccept-Encoding: gzip, br\r\n\r\n"));
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(answer->body == "BREW /p ");
  CHECK(answer->header("content-encoding").empty());
}

TEST_CASE("a handler's header cannot smuggle another one in") {
  const auto server = serve([](const HttpRequest&) {
    HttpResponse response;
    response.headers = {{"X-Bad", "a\r\nX-Worse: b"}, {"Allow", "GET"}, {"Allow", "POST"}};
    return response;
  });
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/")));
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->header("x-worse").empty());
  CHECK(answer->head.find("Allow: GET\r\nAllow: POST\r\n") != std::string::npos);
}

TEST_CASE("a handler that throws is a 500 without its text, and the connection goes on") {
  const auto server = serve([](const HttpRequest& request) -> HttpResponse {
    if (request.path == "/throw") throw std::runtime_error("the secret reason");
    if (request.path == "/odd") throw 1;
    return echo(request);
  });
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/throw") + get_request("/odd") + get_request("/")));
  for (int i = 0; i < 2; ++i) {
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 500);
    CHECK(answer->body == "refused: ");
    CHECK(answer->head.find("secret") == std::string::npos);
    CHECK(answer->header("x-request-id").size() == 16);
  }
  CHECK(client.receive()->status == 200);
}

TEST_CASE("the connection closes after HTTP/1.0 and after Connection: close, and says so") {
  const auto server = serve(echo);
  for (const std::string request :
       {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"}) {
    RawClient client(server->address());
    REQUIRE(client.send(request + get_request("/next")));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->header("connection") == "close");
    CHECK(client.sees_end());
  }
}

TEST_CASE("a client that has shut down its sending side still gets its answers") {
  const auto server = serve(echo);
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/a") + get_request("/b")));
  client.shut_down_sending();
  CHECK(client.answers_until_end() == 2);
}

}  // namespace webhookd
