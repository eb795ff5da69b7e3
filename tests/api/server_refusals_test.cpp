#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <semaphore>

#include "api/server_fixture.h"

namespace webhookd {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMebibyte = 1024 * 1024;
// What a flood may cost at most.
constexpr std::size_t kFloodKib = with_sanitizer(16 * 1024);

ServerLimits small_limits() {
  ServerLimits limits;
  limits.request_line_bytes = 100;
  limits.header_bytes = 200;
  limits.header_count = 4;
  limits.body_bytes = 10;
  return limits;
}

// Sends `piece` until it has sent `total` bytes or the door has had enough.
void flood(RawClient& client, const std::string& piece, std::size_t total) {
  for (std::size_t sent = 0; sent < total && client.send(piece); sent += piece.size()) {
  }
}

struct Talk {
  std::unique_ptr<RawClient> client;
  std::optional<Answer> answer;
};

// Says something on a new connection. A machine that stalls before the first byte makes an idle
// connection of it, which is closed without an answer: then once more on another one.
Talk talk(const Server& server, const std::function<void(RawClient&)>& say) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  Talk made;
  while (!made.answer && std::chrono::steady_clock::now() < end) {
    made.client = std::make_unique<RawClient>(server.address());
    say(*made.client);
    made.answer = made.client->receive();
  }
  return made;
}

}  // namespace

TEST_CASE("after a refusal the connection closes and nothing more is read as a request") {
  std::atomic<int> handled{0};
  const auto server = serve(
      [&handled](const HttpRequest& request) {
        ++handled;
        return echo(request);
      },
      small_limits());
  const std::vector<std::pair<int, std::string>> requests{
      {400, "GET /\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
      {400,
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\n"},
      {413, post_request("/", std::string(11, 'x'))},
      {414, get_request("/" + std::string(200, 'a'))},
      {431, "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(200, 'a') + "\r\n\r\n"},
      {431, "GET / HTTP/1.1\r\nHost: h\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"},
      {505, "GET / HTTP/3.0\r\nHost: h\r\n\r\n"}};
  for (const auto& [status, request] : requests) {
    INFO(request);
    RawClient client(server->address());
    REQUIRE(client.send(request + get_request("/smuggled")));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == status);
    CHECK(answer->body.starts_with("refused: "));
    CHECK(answer->header("connection") == "close");
    CHECK(client.answers_until_end() == 0);
  }
  CHECK(handled == 0);
}

TEST_CASE("a refused HEAD has no body") {
  const auto server = serve(echo, small_limits());
  RawClient client(server->address());
  REQUIRE(client.send("HEAD / HTTP/1.1\r\n\r\n"));
  const auto answer = client.receive(RawClient::Body::none);
  REQUIRE(answer);
  CHECK(answer->status == 400);
  CHECK(client.sees_end());
}

TEST_CASE("a client that sends a refused body to its end still reads why it was refused") {
  const auto server = serve(echo);
  RawClient client(server->address());
  REQUIRE(client.send(post_request("/", std::string(4 * kMebibyte, 'x'))));
  client.shut_down_sending();
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->status == 413);
}

TEST_CASE("a request that takes too long is a 408, wherever it stops") {
  ServerLimits limits;
  limits.request_deadline = 200ms;
  const auto server = serve(echo, limits);
  for (const std::string part :
       {"\r\n", "GET", "GET / HTTP/1.1\r\nHost: h", "GET / HTTP/1.1\r\nHost: h\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na"}) {
    INFO(part);
    RawClient client(server->address());
    REQUIRE(client.send(part));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 408);
    CHECK(client.sees_end());
  }
}

TEST_CASE("bytes that drip do not put the deadline off") {
  ServerLimits limits;
  limits.request_deadline = 200ms;
  limits.idle_timeout = 50ms;
  const auto server = serve(echo, limits);
  const Talk dripped = talk(*server, [](RawClient& client) {
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    const auto end = std::chrono::steady_clock::now() + 1s;
    while (client.send("x") && std::chrono::steady_clock::now() < end) {
    }
  });
  REQUIRE(dripped.answer);
  CHECK(dripped.answer->status == 408);
}

TEST_CASE("an idle connection is closed without a word, before and between requests") {
  ServerLimits limits;
  limits.idle_timeout = 200ms;
  const auto server = serve(echo, limits);
  RawClient silent(server->address());
  const Talk spoken = talk(*server, [](RawClient& client) { client.send(get_request("/")); });
  REQUIRE(spoken.answer);
  CHECK(spoken.answer->status == 200);
  CHECK(silent.sees_end());
  CHECK(spoken.client->sees_end());
}

TEST_CASE("bodies beyond the common memory are refused with 503, the newest first") {
  ServerLimits limits;
  limits.collecting_bytes = 1'400'000;
  const auto server = serve(echo, limits);
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
  RawClient first(server->address());
  REQUIRE(first.send(head + std::string(500'000, 'x')));
  RawClient small(server->address());
  REQUIRE(small.send(get_request("/")));
  REQUIRE(small.receive());
  RawClient second(server->address());
  second.send(head + std::string(900'000, 'x'));
  const auto refused = second.receive();
  REQUIRE(refused);
  CHECK(refused->status == 503);
  CHECK(refused->header("retry-after") == "1");
  REQUIRE(small.send(post_request("/", "small")));
  CHECK(small.receive()->body == "POST / small");
  REQUIRE(first.send(std::string(500'000, 'x')));
  CHECK(first.receive()->status == 200);
  // Taken up only after the first one was let go of.
  REQUIRE(first.send(get_request("/")));
  REQUIRE(first.receive());
  RawClient third(server->address());
  REQUIRE(third.send(head + std::string(1'000'000, 'x')));
  CHECK(third.receive()->status == 200);
}

TEST_CASE("complete requests that wait for a thread count in the common memory") {
  ServerLimits limits;
  limits.collecting_bytes = 100'000;
  std::counting_semaphore<> may_leave{0};
  const auto server = serve(
      [&may_leave](const HttpRequest& request) {
        may_leave.acquire();
        return echo(request);
      },
      limits, 1);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->address()));
    REQUIRE(clients.back()->send(post_request("/", std::string(30'000, 'x'))));
  }
  const auto refused = clients.back()->receive();
  may_leave.release(6);
  REQUIRE(refused);
  CHECK(refused->status == 503);
  CHECK(clients.front()->receive()->status == 200);
}

TEST_CASE("one endless header line is refused and costs little") {
  const auto server = serve(echo);
  reset_peak_memory();
  const std::size_t before = resident_memory_kib();
  RawClient client(server->address());
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: h\r\nA: "));
  flood(client, std::string(65536, 'a'), 240 * kMebibyte);
  CHECK(peak_memory_kib() < before + kFloodKib);
  RawClient polite(server->address());
  REQUIRE(polite.send("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(100'000, 'a')));
  CHECK(polite.receive()->status == 431);
}

TEST_CASE("400,000 headers are refused and cost little") {
  const auto server = serve(echo);
  reset_peak_memory();
  const std::size_t before = resident_memory_kib();
  RawClient client(server->address());
  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: h\r\n"));
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "A: b\r\n";
  flood(client, lines, 400 * lines.size());
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->status == 431);
  CHECK(peak_memory_kib() < before + kFloodKib);
}

TEST_CASE("64 MiB in chunks against a limit of 1 MiB are refused and cost little") {
  const auto server = serve(echo);
  reset_peak_memory();
  const std::size_t before = resident_memory_kib();
  RawClient client(server->address());
  REQUIRE(client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  flood(client, chunk, 64 * kMebibyte);
  CHECK(peak_memory_kib() < before + kFloodKib);
  RawClient polite(server->address());
  REQUIRE(polite.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
  flood(polite, chunk, 2 * kMebibyte);
  CHECK(polite.receive()->status == 413);
}

}  // namespace webhookd
