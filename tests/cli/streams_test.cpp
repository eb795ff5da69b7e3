// What becomes of the work when its output cannot be written, and what else stderr holds.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/stub_server.h"

using namespace webhookd::tests;

namespace {

Ran with_streams(const StubServer& server, Streams streams, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--server", server.url()});
  Circumstances circumstances;
  circumstances.streams = streams;
  return run_program(arguments, circumstances);
}

void add_three(StubServer& server) {
  for (const char* name : {"one", "two", "three"}) {
    server.add_webhook({{"id", std::string("wh-") + name}, {"name", name}});
  }
}

int paused(const StubServer& server) {
  int count = 0;
  for (const char* name : {"wh-one", "wh-two", "wh-three"}) {
    if (server.webhook(name).value("status", "") == "paused") ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("a reader that is gone does not stop the work half-way") {
  StubServer server;
  add_three(server);
  const Ran ran =
      with_streams(server, Streams::closed_out, {"pause", "-o", "json", "one", "two", "three"});
  CHECK(ran.exit == 0);
  CHECK(ran.err.empty());
  CHECK(paused(server) == 3);
  CHECK(with_streams(server, Streams::closed_out, {"pause", "-o", "json", "one", "nobody"}).exit ==
        9);
}

TEST_CASE("an output that is full is told once, after the work was done") {
  StubServer server;
  add_three(server);
  const Ran ran =
      with_streams(server, Streams::full_out, {"pause", "-o", "jsonl", "one", "two", "three"});
  CHECK(ran.exit == 1);
  CHECK(paused(server) == 3);
  const Json error = Json::parse(ran.err)["error"];
  CHECK(contains(error["message"].get<std::string>(), "the output cannot be written"));
}

TEST_CASE("help that cannot be written is an error") {
  StubServer server;
  CHECK(with_streams(server, Streams::full_out, {"list", "--help"}).exit == 1);
  CHECK(with_streams(server, Streams::full_out, {"--version"}).exit == 1);
}

TEST_CASE("a closed stdout is an output that cannot be written, and not the server's socket") {
  StubServer server;
  add_three(server);
  const Ran ran = with_streams(server, Streams::no_out, {"list"});
  CHECK(ran.exit == 1);
  CHECK(contains(ran.err, "the output cannot be written"));
  CHECK(server.seen().size() == 1);
}

TEST_CASE("a closed stderr swallows notes and errors, and not the server's answer") {
  StubServer server;
  add_three(server);
  const Ran ran = with_streams(server, Streams::no_err, {"pause", "-v", "one", "nobody"});
  CHECK(ran.exit == 9);
  CHECK(contains(ran.out, "wh-one"));
}

TEST_CASE("with JSON nothing but an error stands on stderr") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  server.add_delivery("wh-1", {{"id", 12}, {"status", "failed"}});
  server.add_delivery("wh-1", {{"id", 11}, {"status", "failed"}});
  server.answer("POST /api/v1/events", {202, R"({"event_id":"e1","deliveries":1})", {}});
  server.answer("GET /api/v1/admin/events/e1",
                {200, R"({"deliveries":[{"id":7,"webhook_id":"wh-1","status":"failed"}]})", {}});
  CHECK(
      with_streams(server, Streams::pipes, {"retry", "one", "12", "11", "-o", "json"}).err.empty());
  const Ran ran =
      with_streams(server, Streams::pipes,
                   {"publish", "a.b", "--data", "{}", "--id", "e1", "--wait", "-o", "json"});
  CHECK(ran.exit == 7);
  const Json error = Json::parse(ran.err)["error"];
  CHECK(error["code"] == "delivery_failed");
  CHECK(error["message"] == "1 of 1 deliveries did not succeed");
  CHECK(contains(error["hint"].get<std::string>(), "webhookctl delivery wh-1 7"));
}

TEST_CASE("a test that failed is an error with the diagnosis as its hint, in JSON too") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  server.add_delivery("wh-1", {{"id", 9}, {"diagnosis", "the receiver fails"}});
  const std::string answer =
      R"({"delivery_id":9,"success":false,"error":{"kind":"http_status","message":"HTTP 500"}})";
  server.answer("POST /api/v1/admin/webhooks/wh-1/test", {200, answer, {}});
  const Ran ran = with_streams(server, Streams::pipes, {"test", "one", "-o", "json"});
  CHECK(ran.exit == 7);
  CHECK(ran.out == answer + "\n");
  const Json error = Json::parse(ran.err)["error"];
  CHECK(error["message"] == "the test delivery failed: HTTP 500");
  CHECK(error["hint"] == "the receiver fails");
}
