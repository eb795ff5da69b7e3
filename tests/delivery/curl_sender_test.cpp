#include "delivery/curl_sender.h"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <thread>

#include "delivery/exchange.h"
#include "delivery/raw_receiver.h"
#include "delivery/waiting.h"

namespace webhookd {
namespace {

int port_without_listener() {
  const RawReceiver gone([](RawConnection&) {});
  return gone.port();
}

}  // namespace

TEST_CASE("a request carries our headers, Host and Content-Length, and nothing else") {
  std::string seen;
  const RawReceiver receiver([&seen](RawConnection& connection) {
    seen = connection.read_request().value_or("");
    connection.write(kNoContent);
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url("/in?x=1"), 10s,
                                          {{"Content-Type", "application/json"}, {"X-Empty", ""}});
  CHECK(result.status == 204);
  CHECK_FALSE(result.error);
  CHECK(seen == "POST /in?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(receiver.port()) +
                    "\r\nContent-Type: application/json\r\nX-Empty:\r\nContent-Length: 29\r\n\r\n" +
                    R"({"event_type":"user.created"})");
}

TEST_CASE("an answer comes back with status, headers, body, address and timings") {
  const RawReceiver receiver(answer_with(
      "HTTP/1.1 418 I'm a teapot\r\nX-One:  a b \r\nx-two: \xe9\r\nContent-Length: 4\r\n\r\nbo\0y"s));
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(result.status == 418);
  CHECK_FALSE(result.error);
  CHECK(result.headers == Headers{{"X-One", "a b"}, {"x-two", "é"}, {"Content-Length", "4"}});
  CHECK(result.body == "bo\0y"s);
  CHECK(result.remote_address == "127.0.0.1:" + std::to_string(receiver.port()));
  CHECK(result.timings.connect);
  CHECK(result.timings.first_byte);
  CHECK_FALSE(result.timings.tls);
}

TEST_CASE("a connection is used again, and then has no connect time") {
  const RawReceiver receiver(answer_with("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  Exchange exchange;
  CHECK(exchange.send(receiver.url()).timings.connect);
  const SendResult again = exchange.send(receiver.url());
  CHECK(again.status == 200);
  CHECK_FALSE(again.timings.connect);
  CHECK_FALSE(again.timings.dns);
  CHECK(again.remote_address == "127.0.0.1:" + std::to_string(receiver.port()));
  CHECK(receiver.connections() == 1);
}

TEST_CASE("the URLs of one receiver share a few connections") {
  const RawReceiver receiver(answer_with("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  Exchange exchange;
  for (int i = 0; i < 100; ++i) {
    CHECK(exchange.send(receiver.url("/" + std::to_string(i))).status == 200);
  }
  CHECK(receiver.connections() <= 16);
}

TEST_CASE("where few connections may be idle, all URLs share them") {
  const RawReceiver receiver(answer_with("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  CurlSenderOptions options;
  options.most_idle = 5;
  Exchange exchange(kLoopback, options);
  for (int i = 0; i < 20; ++i) {
    CHECK(exchange.send(receiver.url("/" + std::to_string(i))).status == 200);
  }
  CHECK(receiver.connections() == 1);
}

TEST_CASE("an interim answer is passed over") {
  const RawReceiver receiver(
      answer_with("HTTP/1.1 102 Processing\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Late: 1\r\n"
                  "Content-Length: 0\r\n\r\n"));
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(result.status == 200);
  CHECK(result.headers == Headers{{"X-Late", "1"}, {"Content-Length", "0"}});
}

TEST_CASE("trailers are not taken for headers") {
  const RawReceiver receiver(
      answer_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
                  "X-Trailer: 1\r\n\r\n"));
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(result.body == "ok");
  CHECK(result.headers == Headers{{"Transfer-Encoding", "chunked"}});
}

TEST_CASE("a redirect is not followed") {
  std::atomic<int> target_hits{0};
  const RawReceiver target([&](RawConnection&) { ++target_hits; });
  const RawReceiver receiver(answer_with("HTTP/1.1 302 Found\r\nLocation: " + target.url() +
                                         "\r\nContent-Length: 0\r\n\r\n"));
  Exchange exchange;
  CHECK(exchange.send(receiver.url()).status == 302);
  CHECK(target_hits == 0);
}

TEST_CASE("of a long body 16 KiB are kept") {
  const std::string body(100'000, 'x');
  const RawReceiver receiver(
      answer_with("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + body));
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(result.status == 200);
  CHECK_FALSE(result.error);
  CHECK(result.body == body.substr(0, kKeptResponseBytes));
}

TEST_CASE("a body without an end is cut at 1 MiB and ends as its status says") {
  const RawReceiver receiver([](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "1000\r\n" + std::string(4096, 'x') + "\r\n";
    while (connection.write(chunk)) {
    }
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(result.status == 500);
  CHECK_FALSE(result.error);
  CHECK(result.body.size() == kKeptResponseBytes);
}

TEST_CASE("a body that stops is waited for up to 1 MiB, and not a byte beyond") {
  const RawReceiver receiver([](RawConnection& connection) {
    const std::string request = connection.read_request().value_or("");
    connection.write("HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" +
                     std::string(1024 * 1024, 'x') + "\r\n");
    if (request.starts_with("POST /beyond ")) connection.write("1\r\nx\r\n");
    connection.wait_until_closed();
  });
  Exchange exchange;
  CHECK(kind_of(exchange.send(receiver.url("/up-to"), 1s)) == ErrorKind::timeout);
  const SendResult result = exchange.send(receiver.url("/beyond"));
  CHECK(result.status == 500);
  CHECK_FALSE(result.error);
}

TEST_CASE("400,000 headers are a protocol error") {
  const RawReceiver receiver([](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 400'000; ++i) {
      if (!connection.write("X-A: b\r\n")) return;
    }
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(kind_of(result) == ErrorKind::protocol);
  CHECK(result.error->message == "the answer has more than 256 KiB or 1000 lines of headers");
}

TEST_CASE("what curl does not show, as extensions of chunks, is bounded too") {
  std::atomic<std::size_t> written{0};
  const RawReceiver receiver([&](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    const std::string extension(65536, 'y');
    while (connection.write(extension)) written += extension.size();
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(result.status == 200);
  CHECK_FALSE(result.error);
  CHECK(written < 64 * 1024 * 1024);
}

TEST_CASE("one endless header line is a protocol error") {
  const RawReceiver receiver([](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nX-A: ");
    while (connection.write(std::string(4096, 'x'))) {
    }
  });
  Exchange exchange;
  CHECK(kind_of(exchange.send(receiver.url())) == ErrorKind::protocol);
}

TEST_CASE("a body that drips past the deadline is a timeout whatever the status was") {
  const RawReceiver receiver([](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (connection.write("x")) usleep(100'000);
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url(), 1s);
  CHECK(kind_of(result) == ErrorKind::timeout);
  CHECK(result.error->message == "timed out after 1 s while reading the answer");
  CHECK(result.status == 200);
  CHECK(result.duration >= 1s);
  CHECK(result.duration < kPatience);  // the whole body would take longer
}

TEST_CASE("a receiver that says nothing is a timeout while waiting") {
  const RawReceiver receiver([](RawConnection& connection) { connection.wait_until_closed(); });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url(), 1s);
  CHECK(kind_of(result) == ErrorKind::timeout);
  CHECK(result.error->message == "timed out after 1 s while waiting for the answer");
  CHECK_FALSE(result.status);
}

TEST_CASE("a refused connection names the address") {
  const std::string address = "127.0.0.1:" + std::to_string(port_without_listener());
  Exchange exchange;
  const SendResult result = exchange.send("http://" + address + "/");
  CHECK(kind_of(result) == ErrorKind::connect);
  CHECK(result.error->message == address + " refused the connection");
  CHECK(result.remote_address == address);
}

TEST_CASE("a reset instead of an answer is a protocol error") {
  const RawReceiver receiver([](RawConnection& connection) {
    connection.read_request();
    connection.reset();
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(kind_of(result) == ErrorKind::protocol);
  CHECK(result.error->message == "the receiver reset the connection without an answer");
}

TEST_CASE(
    "an attempt sends one request, also when a connection used again ends without an answer") {
  std::atomic<int> requests{0};
  const RawReceiver receiver([&](RawConnection& connection) {
    while (connection.read_request()) {
      if (++requests > 4) return;
      connection.write(kNoContent);
    }
  });
  Exchange exchange;
  for (int i = 0; i < 4; ++i) exchange.start(receiver.url());
  exchange.finish(4);
  const SendResult result = exchange.send(receiver.url());
  CHECK(kind_of(result) == ErrorKind::protocol);
  CHECK(result.error->message == "the receiver closed the connection without an answer");
  CHECK(requests == 5);
}

TEST_CASE("a close before the body is complete is a protocol error") {
  const RawReceiver receiver([](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(kind_of(result) == ErrorKind::protocol);
  CHECK(result.error->message ==
        "the receiver closed the connection before the answer was complete");
  CHECK(result.status == 200);
}

TEST_CASE("an answer that is no HTTP/1.1 is a protocol error") {
  const std::string answer = GENERATE(as<std::string>{}, "hello\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
                                      "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"s);
  const RawReceiver receiver([&](RawConnection& connection) {
    connection.read_request();
    connection.write(answer);
  });
  Exchange exchange;
  const SendResult result = exchange.send(receiver.url());
  CHECK(kind_of(result) == ErrorKind::protocol);
}

TEST_CASE("a blocked address is never connected to") {
  const RawReceiver receiver(answer_with(std::string{kNoContent}));
  Exchange exchange(std::vector<std::string>{});
  const std::string host = GENERATE(as<std::string>{}, "127.0.0.1", "localhost", "2130706433",
                                    "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "0", "[::1]");
  const SendResult result = exchange.send(receiver.url("/", host));
  CHECK(kind_of(result) == ErrorKind::blocked_address);
  CHECK(result.error->message.find("allow_networks") != std::string::npos);
  CHECK(receiver.connections() == 0);
}

TEST_CASE("a name that does not resolve is a dns error") {
  Exchange exchange;
  const SendResult result = exchange.send("http://nothing-here.invalid/");
  CHECK(kind_of(result) == ErrorKind::dns);
  CHECK(result.error->message == "the name nothing-here.invalid does not resolve");
}

TEST_CASE("a proxy from the environment is ignored") {
  const RawReceiver proxy(answer_with("HTTP/1.1 502 Proxy\r\nContent-Length: 0\r\n\r\n"));
  const RawReceiver receiver(answer_with(std::string{kNoContent}));
  setenv("http_proxy", proxy.url("").c_str(), 1);
  setenv("all_proxy", proxy.url("").c_str(), 1);
  Exchange exchange;
  CHECK(exchange.send(receiver.url()).status == 204);
  CHECK(proxy.connections() == 0);
  unsetenv("http_proxy");
  unsetenv("all_proxy");
}

TEST_CASE("many transfers run at once, also to a name and through the lookup gate") {
  const RawReceiver receiver(answer_with(std::string{kNoContent}));
  CurlSenderOptions options;
  options.lookups_per_host = 2;
  options.lookups = 3;
  Exchange exchange(kLoopback, options);
  for (int i = 0; i < 20; ++i) exchange.start(receiver.url("/", "localhost"));
  for (int i = 0; i < 20; ++i) exchange.start(receiver.url());
  for (const SendResult& result : exchange.finish(40)) CHECK(result.status == 204);
}

TEST_CASE("an aborted transfer has no result") {
  const RawReceiver silent([](RawConnection& connection) { connection.wait_until_closed(); });
  const RawReceiver receiver(answer_with(std::string{kNoContent}));
  Exchange exchange;
  const TransferId aborted = exchange.start(silent.url());
  exchange.sender().wait(0ms);
  exchange.sender().abort(aborted);
  exchange.sender().abort({999});
  const TransferId kept = exchange.start(receiver.url());
  CHECK(exchange.finish().front().id == kept);
}

TEST_CASE("wake ends a wait from another thread") {
  Exchange exchange;
  const std::jthread other([&] { exchange.sender().wake(); });
  const Monotonic before = exchange.clock().monotonic();
  exchange.sender().wait(2 * kPatience);
  CHECK(exchange.clock().monotonic() - before < kPatience);
}

TEST_CASE("a connection that the receiver reset while it was idle costs no attempt") {
  std::atomic<int> requests{0};
  const RawReceiver receiver([&](RawConnection& connection) {
    if (!connection.read_request()) return;
    ++requests;
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    connection.reset();
  });
  Exchange exchange;
  for (int i = 1; i <= 4; ++i) {
    const SendResult result = exchange.send(receiver.url());
    CHECK_FALSE(result.error);
    CHECK(result.status == 200);
    REQUIRE(comes_true([&] { return receiver.closed_connections() >= i; }));
  }
  CHECK(requests == 4);
}

TEST_CASE("of a name's addresses the error names one that was tried, not one that is blocked") {
  const int port = port_without_listener();
  Exchange exchange({"127.0.0.0/8"});
  const SendResult result = exchange.send("http://localhost:" + std::to_string(port) + "/");
  CHECK(kind_of(result) == ErrorKind::connect);
  CHECK(result.remote_address == "127.0.0.1:" + std::to_string(port));
}

TEST_CASE("a header of blanks is sent as an empty one") {
  std::string seen;
  const RawReceiver receiver([&seen](RawConnection& connection) {
    seen = connection.read_request().value_or("");
    connection.write(kNoContent);
  });
  Exchange exchange;
  exchange.send(receiver.url(), 10s, {{"X-Blank", "  "}});
  CHECK(seen.find("\r\nX-Blank:\r\n") != std::string::npos);
}

}  // namespace webhookd
