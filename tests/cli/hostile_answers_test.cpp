// Answers that make no sense, or are meant to do harm.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/program.h"
#include "cli/raw_json.h"
#include "cli/stub_server.h"

using namespace webhookd::tests;

namespace {

constexpr const char* kWebhook = "whk_0123456789abcdef";

// Sends the same bytes to whoever connects, whatever is asked, and hangs up.
class BluntServer {
 public:
  explicit BluntServer(std::string bytes)
      : bytes_(std::move(bytes)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* any = &address;
    REQUIRE(bind(fd_, static_cast<sockaddr*>(any), size) == 0);
    REQUIRE(listen(fd_, 4) == 0);
    REQUIRE(getsockname(fd_, static_cast<sockaddr*>(any), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~BluntServer() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  BluntServer(const BluntServer&) = delete;
  BluntServer& operator=(const BluntServer&) = delete;
  const std::string& url() const { return url_; }

 private:
  void serve() const {
    for (int fd = accept(fd_, nullptr, nullptr); fd >= 0; fd = accept(fd_, nullptr, nullptr)) {
      char request[4096];
      static_cast<void>(recv(fd, request, sizeof request, 0));
      static_cast<void>(send(fd, bytes_.data(), bytes_.size(), MSG_NOSIGNAL));
      close(fd);
    }
  }

  std::string bytes_;
  int fd_;
  std::string url_;
  std::thread thread_;
};

Ran asked(const std::string& url, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--server", url});
  return run_program(arguments);
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

}  // namespace

TEST_CASE("an answer that is no JSON object is an error in every format") {
  const std::string base = std::string("/api/v1/admin/webhooks/") + kWebhook;
  const std::pair<std::string, std::vector<std::string>> table[] = {
      {"GET " + base, {"get", kWebhook}},
      {"POST /api/v1/admin/webhooks/", {"create", "http://a.example", "--event", "*"}},
      {"PATCH " + base, {"pause", kWebhook}},
      {"PATCH " + base, {"update", kWebhook, "--name", "n"}},
      {"POST " + base + "/rotate-secret", {"rotate-secret", kWebhook}},
      {"POST " + base + "/test", {"test", kWebhook}},
      {"GET " + base + "/stats", {"stats", kWebhook}},
      {"GET " + base + "/deliveries/1", {"delivery", kWebhook, "1"}},
      {"POST " + base + "/deliveries/1/retry", {"retry", kWebhook, "1"}},
      {"POST " + base + "/deliveries/1/cancel", {"cancel", kWebhook, "1"}},
      {"POST /api/v1/admin/tokens", {"token", "create"}},
      {"POST /api/v1/events", {"publish", "a.b", "--data", "{}"}},
      {"GET /api/v1/admin/status", {"status"}}};
  StubServer server;
  server.add_webhook({{"id", kWebhook}});
  for (const auto& [request, command] : table) {
    for (const char* body : {"<html>", "", "null", "[]"}) {
      server.answer(request, {200, body, {}});
      for (const char* format : {"json", "jsonl", "table", "tsv"}) {
        std::vector<std::string> arguments = command;
        arguments.insert(arguments.end(), {"-o", format});
        const Ran ran = asked(server.url(), arguments);
        CAPTURE(command, body, format, ran.out, ran.err);
        CHECK(ran.exit == 1);
        CHECK(ran.out.empty());
      }
    }
    server.answer(request, {200, "{}", {}});
  }
}

TEST_CASE("an answer to publish without an event id is an unknown outcome") {
  StubServer server;
  server.answer("POST /api/v1/events", {200, R"({"ok":true})", {}});
  const Ran ran =
      asked(server.url(), {"publish", "a.b", "--data", "{}", "--id", "e1", "-o", "json"});
  CHECK(ran.exit == 1);
  CHECK(contains(Json::parse(ran.err)["error"]["hint"].get<std::string>(), "--id e1"));
}

TEST_CASE("a secret or a token that did not come is an error, and no dash on stdout") {
  StubServer server;
  server.answer(std::string("POST /api/v1/admin/webhooks/") + kWebhook + "/rotate-secret",
                {200, "{}", {}});
  server.answer("POST /api/v1/admin/tokens", {200, "{}", {}});
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"rotate-secret", kWebhook}, {"token", "create"}}) {
    const Ran ran = asked(server.url(), command);
    CHECK(ran.exit == 1);
    CHECK(ran.out.empty());
  }
}

TEST_CASE("a server that does not tell of the old secret has nothing said about it") {
  StubServer server;
  const std::string request =
      std::string("POST /api/v1/admin/webhooks/") + kWebhook + "/rotate-secret";
  server.answer(request, {200, R"({"secret":"s"})", {}});
  CHECK(asked(server.url(), {"rotate-secret", kWebhook}).err.empty());
  server.answer(request, {200, R"({"secret":"s","previous_secret_expires_at":null})", {}});
  CHECK(contains(asked(server.url(), {"rotate-secret", kWebhook}).err, "no longer used"));
}

TEST_CASE("no part of a delivery's heading reaches a terminal with control characters") {
  StubServer server;
  server.answer(std::string("GET /api/v1/admin/webhooks/") + kWebhook + "/deliveries/1",
                {200, "{\"attempts\":[{\"number\":\"\\u001b]0;x\\u0007\"}]}", {}});
  for (const char* format : {"table", "tsv"}) {
    const Ran ran =
        asked(server.url(), {"delivery", kWebhook, "1", "--headers", "--body", "-o", format});
    CHECK(ran.exit == 0);
    CHECK_FALSE(contains(ran.out, "\x1b"));
    CHECK_FALSE(contains(ran.out, "\x07"));
  }
}

TEST_CASE("--debug does not show what a 422 repeats of the request") {
  StubServer server;
  const Folder folder;
  server.answer("POST /api/v1/admin/webhooks/",
                {422,
                 R"({"detail":[{"loc":["body","secret"],"msg":"Too short","input":"my-secret",)"
                 R"("ctx":{"given":"my-secret"}}]})",
                 {}});
  const Ran ran = asked(server.url(), {"--debug", "create", "http://a.example", "--event", "*",
                                       "--secret-file", folder.write("s", "my-secret")});
  CHECK(ran.exit == 6);
  CHECK(contains(ran.err, "Too short"));
  CHECK_FALSE(contains(ran.err, "my-secret"));
}

TEST_CASE("an answer that is nested without end is an error and no crash") {
  StubServer server;
  server.answer("GET /api/v1/admin/webhooks/", {200, "{\"items\":[" + nested(300'000) + "]}", {}});
  server.answer(std::string("GET /api/v1/admin/webhooks/") + kWebhook,
                {200, "{\"a\":" + nested(300'000) + "}", {}});
  server.answer("GET /api/v1/admin/status", {400, "{\"detail\":" + nested(300'000) + "}", {}});
  CHECK(asked(server.url(), {"list"}).exit == 1);
  CHECK(asked(server.url(), {"get", kWebhook, "--debug"}).exit == 1);
  CHECK(asked(server.url(), {"status"}).exit == 6);
}

TEST_CASE("128 levels are not too many, brackets in strings are none") {
  CHECK_FALSE(webhookd::nests_too_deep(nested(128)));
  CHECK(webhookd::nests_too_deep(nested(129)));
  CHECK_FALSE(webhookd::nests_too_deep("\"" + std::string(200, '[') + "\\\"" +
                                       std::string(200, '[') + "\""));
}

TEST_CASE("counts that cannot be make a chart that fits all the same") {
  StubServer server;
  server.answer(std::string("GET /api/v1/admin/webhooks/") + kWebhook + "/stats",
                {200,
                 R"({"series":[{"start":"a","succeeded":100000000000,"failed":-99999999999},)"
                 R"({"start":"b","succeeded":18446744073709551615,"failed":9223372036854775807}]})",
                 {}});
  const Ran ran = asked(server.url(), {"stats", kWebhook, "-o", "table"});
  CHECK(ran.exit == 0);
  CHECK(ran.out.size() < 4000);
}

TEST_CASE("an answer that is no HTTP, or is cut off, is the server's fault and not its absence") {
  for (const char* bytes : {"SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 abc\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\""}) {
    const BluntServer server(bytes);
    const Ran ran = asked(server.url(), {"list"});
    CAPTURE(bytes, ran.err);
    CHECK(ran.exit == 1);
    CHECK_FALSE(contains(ran.err, "is the daemon running"));
  }
  const BluntServer headers("HTTP/1.1 200 OK\r\nX-A: " + std::string(1'000'000, 'b') + "\r\n\r\n");
  CHECK(asked(headers.url(), {"list"}).exit == 1);
}

TEST_CASE("--verbose tells of a request that got no answer") {
  const Ran ran = run_program({"--server", "http://127.0.0.1:1", "-v", "list"});
  CHECK(contains(ran.err, "GET /api/v1/admin/webhooks/: no answer"));
}

TEST_CASE("of a sentence without end the beginning is shown") {
  StubServer server;
  server.answer("GET /api/v1/admin/webhooks/",
                {409, "{\"detail\":\"" + std::string(1'000'000, 'y') + "\"}", {}});
  const Ran ran = asked(server.url(), {"list"});
  CHECK(ran.exit == 6);
  CHECK(ran.err.size() < 2000);
}

TEST_CASE("a delivery id that a server makes up leads to no other path") {
  StubServer server;
  const std::string base = std::string("/api/v1/admin/webhooks/") + kWebhook;
  server.answer("POST " + base + "/test",
                {200, R"({"delivery_id":"../../x y","success":true})", {}});
  CHECK(asked(server.url(), {"test", kWebhook}).exit == 0);
  CHECK(server.seen().back().path == base + "/deliveries/../../x y");
}
