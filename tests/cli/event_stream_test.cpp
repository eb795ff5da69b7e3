// Server-sent events as `tail` reads them.

#include "cli/event_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "cli/client.h"

namespace webhookd {
namespace {

struct Reading {
  std::vector<std::string> events;
  EventStreamParser parser{
      [this](const ServerEvent& event) { events.push_back(event.name + "=" + event.data); }};
};

using Events = std::vector<std::string>;

// Answers one request with `text`, and then says nothing until it goes.
class OneAnswer {
 public:
  explicit OneAnswer(std::string text) : text_(std::move(text)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener_, generic, size) == 0);
    REQUIRE(::listen(listener_, 1) == 0);
    REQUIRE(::getsockname(listener_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~OneAnswer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    ::close(connection_);
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;

  Connection connection() const {
    return {ServerTarget{"http://127.0.0.1:" + std::to_string(port_), {}}, {}};
  }
  // Once it was answered.
  const std::string& request() const { return request_; }

 private:
  void serve() {
    connection_ = ::accept(listener_, nullptr, nullptr);
    char bytes[4096];
    while (request_.find("\r\n\r\n") == std::string::npos) {
      const ssize_t count = ::recv(connection_, bytes, sizeof(bytes), 0);
      if (count <= 0) return;
      request_.append(bytes, static_cast<std::size_t>(count));
    }
    static_cast<void>(::send(connection_, text_.data(), text_.size(), MSG_NOSIGNAL));
  }

  std::string text_;
  std::string request_;
  int listener_ = -1;
  int connection_ = -1;
  int port_ = 0;
  std::thread thread_;
};

const std::string kHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

}  // namespace

TEST_CASE("events are read however their bytes are cut") {
  const std::string text =
      ": heartbeat\nid: 3\n\nevent: attempt\r\nid: 4\r\ndata: {\"a\":\r\ndata:1}\r\n\r\nretry: "
      "5\n\n"
      "data\n\n";
  for (std::size_t cut = 1; cut <= text.size(); ++cut) {
    Reading reading;
    for (std::size_t at = 0; at < text.size(); at += cut) {
      REQUIRE(reading.parser.feed(std::string_view(text).substr(at, cut)));
    }
    CHECK(reading.events == Events{"attempt={\"a\":\n1}", "message="});
    CHECK(reading.parser.last_id() == "4");
  }
}

TEST_CASE("an id counts once its event is complete, and alone too") {
  Reading reading;
  reading.parser.feed("id: 1\n\n");
  CHECK(reading.parser.last_id() == "1");
  reading.parser.feed("id: 2\ndata: x\n");
  CHECK(reading.parser.last_id() == "1");
  reading.parser.restart();
  reading.parser.feed("\n");
  CHECK(reading.parser.last_id() == "1");
  CHECK(reading.events.empty());
}

TEST_CASE("an id that is no number goes into no header") {
  Reading reading;
  reading.parser.feed("id: 7\n\nid: 8\r9\n\nid: \n\nid: x\n\nid: 99999999999999999999\n\n");
  CHECK(reading.parser.last_id() == "7");
}

TEST_CASE("a line without end is given up") {
  Reading reading;
  const std::string piece(100'000, 'x');
  bool usable = true;
  for (int i = 0; i < 20 && usable; ++i) usable = reading.parser.feed(piece);
  CHECK_FALSE(usable);
}

TEST_CASE("a stream that falls silent ends, and so does one that is not wanted any more") {
  OneAnswer server(kHead + "id: 1\n\n");
  Client client(server.connection(), {});
  std::string heard;
  StreamRequest request{"/s", {{"a", "b"}}, "41", std::chrono::milliseconds(0)};
  SECTION("silent") {
    request.longest_silence = std::chrono::milliseconds(200);
    const Answer answer = client.stream(request, [&](std::string_view bytes) {
      heard += bytes;
      return Stream::go_on;
    });
    CHECK(answer.status == 200);
  }
  SECTION("not wanted") {
    request.longest_silence = std::chrono::hours(1);
    client.stream(request, [&](std::string_view bytes) {
      heard += bytes;
      return heard.empty() ? Stream::go_on : Stream::end;
    });
  }
  CHECK(heard == "id: 1\n\n");
  CHECK_THAT(server.request(), Catch::StartsWith("GET /s?a=b HTTP/1.1\r\n") &&
                                   Catch::Contains("\r\nLast-Event-ID: 41\r\n") &&
                                   Catch::Contains("\r\nAccept: text/event-stream\r\n"));
}

TEST_CASE("an answer that is no stream comes back whole") {
  OneAnswer server("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}");
  Client client(server.connection(), {});
  const Answer answer = client.stream({"/s", {}, "", std::chrono::hours(1)},
                                      [](std::string_view) { return Stream::go_on; });
  CHECK(answer.status == 404);
  CHECK(answer.body == "{}");
  CHECK_THAT(server.request(), !Catch::Contains("Last-Event-ID"));
}

}  // namespace webhookd
