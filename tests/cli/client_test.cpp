#include "cli/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/listing.h"
#include "cli/program.h"
#include "cli/stub_server.h"
#include "cli/webhook_ref.h"

using namespace webhookd;
using webhookd::tests::Shape;
using webhookd::tests::StubServer;

namespace {

Connection connection_to(const std::string& url) {
  Connection connection;
  connection.target = ServerTarget{url, std::nullopt};
  return connection;
}

// Takes connections and never answers.
class SilentServer {
 public:
  SilentServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* any = &address;
    REQUIRE(bind(fd_, static_cast<sockaddr*>(any), size) == 0);
    REQUIRE(listen(fd_, 4) == 0);
    REQUIRE(getsockname(fd_, static_cast<sockaddr*>(any), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentServer() { close(fd_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  const std::string& url() const { return url_; }

 private:
  int fd_;
  std::string url_;
};

void add_webhooks(StubServer& server, int count) {
  for (int i = 1; i <= count; ++i) {
    server.add_webhook({{"id", "wh-" + std::to_string(i)}, {"name", "n" + std::to_string(i)}});
  }
}

Exit exit_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const CliError& error) {
    return error.exit;
  }
  return Exit::done;
}

}  // namespace

TEST_CASE("the token, the query and the body arrive as they were given") {
  StubServer server;
  Connection connection = connection_to(server.url());
  connection.token = Token{"abc.def"};
  Client client(connection, {});
  client.send({"POST", webhook_path("a/b c?", "/test"), {{"q", "x&y=ü"}}, R"({"n":0.10})"});
  const auto seen = server.seen();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].headers.at("authorization") == "Bearer abc.def");
  CHECK(seen[0].query.at("q") == "x&y=ü");
  CHECK(seen[0].body == R"({"n":0.10})");
  CHECK(seen[0].headers.at("content-type") == "application/json");
}

TEST_CASE("an id cannot lead to another path") {
  CHECK(webhook_path("../tokens") == "/api/v1/admin/webhooks/..%2Ftokens");
  StubServer server;
  Client client(connection_to(server.url()), {});
  CHECK(client.send({"GET", webhook_path(".."), {}, std::nullopt}).status == 404);
  CHECK(server.seen().front().path == "/api/v1/admin/webhooks/..");
}

TEST_CASE("a redirect is not followed, so that no token goes elsewhere") {
  StubServer server;
  StubServer other;
  server.answer("GET /api/v1/admin/webhooks/",
                {307, "", {{"Location", other.url() + "/api/v1/admin/webhooks/"}}});
  Client client(connection_to(server.url()), {});
  CHECK(exit_of([&] {
          client.call({"GET", std::string(kWebhooksPath), {}, std::nullopt});
        }) == Exit::internal);
  CHECK(other.seen().empty());
}

TEST_CASE("no answer within the timeout is a timeout, no listener is unreachable") {
  std::string gone;
  {
    const SilentServer server;
    gone = server.url();
    Connection connection = connection_to(server.url());
    connection.timeout = std::chrono::milliseconds(50);
    Client client(connection, {});
    CHECK(exit_of([&] { client.send({"GET", "/", {}, std::nullopt}); }) == Exit::timed_out);
  }
  Client client(connection_to(gone), {});
  CHECK(exit_of([&] { client.send({"GET", "/", {}, std::nullopt}); }) == Exit::unreachable);
}

TEST_CASE("a request that may take less than the connection's timeout takes no longer") {
  const SilentServer server;
  Client client(connection_to(server.url()), {});
  const auto begin = std::chrono::steady_clock::now();
  CHECK(exit_of([&] {
          client.send({"GET", "/", {}, std::nullopt, std::chrono::milliseconds(50)});
        }) == Exit::timed_out);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
}

TEST_CASE("the daemon's socket is spoken to without a TCP port") {
  const tests::Folder folder;
  const auto path = folder.path() / "d.sock";
  StubServer server(Shape::page, path);
  Connection connection;
  connection.target = SocketTarget{path};
  Client client(connection, {});
  CHECK(client.call({"GET", std::string(kWebhooksPath), {}, std::nullopt}).status == 200);
  connection.target = SocketTarget{folder.path() / "other.sock"};
  Client lost(connection, {});
  CHECK(exit_of([&] { lost.send({"GET", "/", {}, std::nullopt}); }) == Exit::unreachable);
  connection.target = SocketTarget{folder.path() / std::string(120, 'x')};
  Client long_path(connection, {});
  CHECK(exit_of([&] { long_path.send({"GET", "/", {}, std::nullopt}); }) == Exit::usage);
}

TEST_CASE("a socket that may not be used is denied, and its group is named") {
  const tests::Folder folder;
  const std::string socket = folder.write("w.sock", "");
  const CliError denied = socket_failure(socket, EACCES);
  CHECK(denied.exit == Exit::denied);
  struct stat found {};
  REQUIRE(stat(socket.c_str(), &found) == 0);
  const group* owner = getgrgid(found.st_gid);
  REQUIRE(owner != nullptr);
  CHECK(tests::contains(denied.message, std::string("group ") + owner->gr_name));
  // The folder's group where the socket itself cannot be seen.
  CHECK(tests::contains(socket_failure(folder.path() / "hidden", EACCES).message,
                        std::string("group ") + owner->gr_name));
  CHECK(socket_failure(socket, ECONNREFUSED).exit == Exit::unreachable);
  CHECK(tests::contains(socket_failure(socket, ENOENT).hint, "webhookd --dev"));
}

TEST_CASE("debug lines tell requests and answers, and no secret") {
  StubServer server;
  Connection connection = connection_to(server.url());
  connection.token = Token{"very-secret-token"};
  std::string lines;
  Trace trace;
  trace.debug = [&lines](std::string_view line) { lines += std::string(line) + "\n"; };
  Client client(connection, trace);
  client.send({"POST",
               std::string(kWebhooksPath),
               {},
               R"({"secret":"whsec_mine","headers":{"X-Pass":"hunter2"},"url":"http://a"})"});
  CHECK(tests::contains(lines, "> POST http://127.0.0.1"));
  CHECK(tests::contains(lines, "Bearer ***"));
  CHECK(tests::contains(lines, R"("url":"http://a")"));
  CHECK(tests::contains(lines, "< 201"));
  for (const char* secret : {"very-secret-token", "whsec_", "hunter2"}) {
    CAPTURE(secret);
    CHECK_FALSE(tests::contains(lines, secret));
  }
}

TEST_CASE("all pages of a list come together, whatever form the server gives it") {
  const Shape shape = GENERATE(Shape::page, Shape::bare_array, Shape::data);
  StubServer server(shape);
  add_webhooks(server, 437);
  Client client(connection_to(server.url()), {});
  const Listing all = fetch_list(client, {std::string(kWebhooksPath), {}, std::nullopt, {}});
  CHECK(all.items.size() == 437);
  CHECK(all.raw.back() == R"({"id":"wh-437","name":"n437"})");
  CHECK_FALSE(all.more);
  const Listing some = fetch_list(client, {std::string(kWebhooksPath), {}, 150, {}});
  CHECK(some.items.size() == 150);
  CHECK(some.more);
}

TEST_CASE("a server that ignores the page number does not make an endless list") {
  StubServer server;
  server.answer("GET /api/v1/admin/webhooks/", {200, R"([{"id":"a"},{"id":"b"}])", {}});
  Client client(connection_to(server.url()), {});
  const Listing all = fetch_list(client, {std::string(kWebhooksPath), {}, std::nullopt, {}});
  CHECK(all.items.size() == 2);
  CHECK(all.json == R"([{"id":"a"},{"id":"b"}])");
  CHECK(server.seen().size() == 2);
}

TEST_CASE("one page is told byte for byte, several as one merged page") {
  StubServer server;
  const std::string body =
      "{ \"items\" : [ {\"id\":\"a\", \"n\": 0.10} ],\n \"total\": 1, \"pages\":1 }";
  server.answer("GET /api/v1/admin/webhooks/", {200, body, {}});
  Client client(connection_to(server.url()), {});
  CHECK(fetch_list(client, {std::string(kWebhooksPath), {}, std::nullopt, {}}).json == body);
  const Listing none = fetch_list(
      client, {std::string(kWebhooksPath), {}, std::nullopt, [](const Json&) { return false; }});
  CHECK(none.json == R"({"items":[],"total":0,"page":1,"per_page":0,"pages":1})");

  StubServer large;
  add_webhooks(large, 250);
  Client other(connection_to(large.url()), {});
  const Json merged =
      Json::parse(fetch_list(other, {std::string(kWebhooksPath), {}, std::nullopt, {}}).json);
  CHECK(merged["items"].size() == 250);
  CHECK(merged["total"] == 250);
  CHECK(merged["pages"] == 1);
}

TEST_CASE("a list that was cut counts what is left, and one that was filtered only what it shows") {
  StubServer server;
  add_webhooks(server, 83);
  Client client(connection_to(server.url()), {});
  const auto json = [](const Listing& listing) { return Json::parse(listing.json); };
  const Listing cut = fetch_list(client, {std::string(kWebhooksPath), {}, 3, {}});
  CHECK(cut.total == 83);
  CHECK(json(cut)["total"] == 83);
  const auto odd = [](const Json& webhook) {
    return (webhook["id"].get<std::string>().back() - '0') % 2 == 1;
  };
  const Listing filtered = fetch_list(client, {std::string(kWebhooksPath), {}, 3, odd});
  CHECK_FALSE(filtered.total.has_value());
  CHECK(json(filtered)["total"] == 3);
  // The first page may hold nothing else, and the server counts all the same.
  const auto all = [](const Json&) { return true; };
  CHECK_FALSE(fetch_list(client, {std::string(kWebhooksPath), {}, 3, all}).total.has_value());
  // An answer longer than was asked for.
  server.answer("GET /l", {200, R"({"items":[1,2,3,4],"total":9})", {{"webhookd-version", "1"}}});
  const Json merged = json(fetch_list(client, {"/l", {}, 2, all}));
  CHECK(merged == Json::parse(R"({"items":[1,2],"total":9,"page":1,"per_page":2,"pages":5})"));
}

TEST_CASE("a cursor is followed where the server offers one") {
  StubServer server;
  server.answer("GET /c",
                {200, R"({"items":[{"id":1}],"total":2,"pages":2,"next_cursor":null})", {}});
  Client client(connection_to(server.url()), {});
  CHECK(fetch_list(client, {"/c", {}, std::nullopt, {}}).items.size() == 1);
  server.answer("GET /d", {200, R"({"items":[{"id":1}],"next_cursor":"n1"})", {}});
  fetch_list(client, {"/d", {}, std::nullopt, {}});
  CHECK(server.seen().back().query.at("cursor") == "n1");
  CHECK(server.seen().back().query.count("page") == 0);
}

TEST_CASE("an answer that is no list is an error, not an empty list") {
  StubServer server;
  Client client(connection_to(server.url()), {});
  for (const char* body : {"<html>", "7", R"({"detail":"x"})", ""}) {
    CAPTURE(body);
    server.answer("GET /l", {200, body, {}});
    CHECK(exit_of([&] { fetch_list(client, {"/l", {}, std::nullopt, {}}); }) == Exit::internal);
  }
}

TEST_CASE("a webhook is found by its id before its name, on any page") {
  StubServer server;
  add_webhooks(server, 230);
  server.add_webhook({{"id", "wh-x"}, {"name", "wh-7"}});
  Client client(connection_to(server.url()), {});
  CHECK(resolve_webhook(client, "n229") == "wh-229");
  CHECK(resolve_webhook(client, "wh-228") == "wh-228");
  CHECK(resolve_webhook(client, "wh-7") == "wh-7");
}

TEST_CASE("what has the form of our ids is not looked up") {
  StubServer server;
  Client client(connection_to(server.url()), {});
  CHECK(resolve_webhook(client, "whk_0123456789abcdEF") == "whk_0123456789abcdEF");
  CHECK(server.seen().empty());
}

TEST_CASE("a name that is unknown, or that several have, is an error that helps") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "billing"}});
  server.add_webhook({{"id", "wh-2"}, {"name", "twice"}});
  server.add_webhook({{"id", "wh-3"}, {"name", "twice"}});
  Client client(connection_to(server.url()), {});
  try {
    resolve_webhook(client, "biling");
    FAIL("found");
  } catch (const CliError& error) {
    CHECK(error.exit == Exit::not_found);
    CHECK(error.hint == "did you mean billing?");
  }
  try {
    resolve_webhook(client, "twice");
    FAIL("found");
  } catch (const CliError& error) {
    CHECK(error.exit == Exit::usage);
    CHECK(tests::contains(error.message, "wh-2, wh-3"));
  }
}
