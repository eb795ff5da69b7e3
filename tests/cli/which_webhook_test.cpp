// Which webhook is meant, by whatever words, and what is said when there is none.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/stub_server.h"

using namespace webhookd::tests;

namespace {

constexpr const char* kList = "/api/v1/admin/webhooks/";
constexpr const char* kLikeAnId = "whk_0123456789abcdef";

Ran meaning(const StubServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--server", server.url()});
  return run_program(arguments);
}

Json of_owner(const char* id, const Json& tenant, const Json& partner) {
  return {{"id", id},
          {"name", "billing"},
          {"url", "http://a.example"},
          {"tenant_id", tenant},
          {"partner_id", partner}};
}

// A webhookd that has these webhooks.
void be_webhookd(StubServer& server, const std::vector<Json>& webhooks) {
  server.answer(std::string("GET ") + kList,
                {200,
                 Json({{"items", webhooks}, {"total", webhooks.size()}, {"pages", 1}}).dump(),
                 {{"webhookd-version", "1"}}});
  for (const Json& webhook : webhooks) server.add_webhook(webhook);
}

void refuse_name(StubServer& server) {
  server.answer(std::string("POST ") + kList, {409, R"({"detail":"The name is taken"})", {}});
}

const std::vector<std::string> kCreate = {"create",  "http://a.example", "--event", "*",   "--name",
                                          "billing", "--if-not-exists",  "-o",      "json"};

std::string existing_id(const Ran& ran) {
  return ran.exit == 0 ? Json::parse(ran.out)["id"].get<std::string>() : ran.err;
}

}  // namespace

TEST_CASE("--if-not-exists lets a webhookd decide whether the name is taken") {
  StubServer server;
  be_webhookd(server, {of_owner("wh-t", "tnt_1", nullptr)});
  const Ran ran = meaning(server, kCreate);
  CHECK(ran.exit == 0);
  CHECK(server.seen().back().method == "POST");
  CHECK(Json::parse(ran.out)["id"] == "wh-2");
}

TEST_CASE("--if-not-exists shows the webhook of nobody where neither tenant nor partner is named") {
  StubServer server;
  be_webhookd(server, {of_owner("wh-t", "tnt_1", nullptr), of_owner("wh-0", nullptr, nullptr)});
  refuse_name(server);
  CHECK(existing_id(meaning(server, kCreate)) == "wh-0");
  std::vector<std::string> of_tenant = kCreate;
  of_tenant.insert(of_tenant.end(), {"--tenant", "tnt_1"});
  CHECK(existing_id(meaning(server, of_tenant)) == "wh-t");
}

TEST_CASE("--if-not-exists finds what a bound token owns") {
  StubServer server;
  be_webhookd(server, {of_owner("wh-tp", "tnt_1", "prt_1"), of_owner("wh-t", "tnt_1", nullptr)});
  refuse_name(server);
  CHECK(existing_id(meaning(server, kCreate)) == "wh-t");
}

TEST_CASE("--if-not-exists does not guess between several owners") {
  StubServer server;
  be_webhookd(server, {of_owner("wh-1", "tnt_1", nullptr), of_owner("wh-2", "tnt_2", nullptr)});
  refuse_name(server);
  const Ran ran = meaning(server, kCreate);
  CHECK(ran.exit == 2);
  CHECK(contains(ran.err, "--tenant"));
}

TEST_CASE("--if-not-exists without a name looks for the URL among those of nobody") {
  StubServer server;
  be_webhookd(server, {of_owner("wh-t", "tnt_1", nullptr)});
  const std::vector<std::string> words = {
      "create", "http://a.example", "--event", "*", "--if-not-exists", "-o", "json"};
  CHECK(existing_id(meaning(server, words)) == "wh-2");
  be_webhookd(server, {of_owner("wh-0", nullptr, nullptr)});
  CHECK(existing_id(meaning(server, words)) == "wh-0");
}

TEST_CASE("delete --ignore-missing does not take a wrong address for a missing webhook") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  const std::string wrong = server.url() + "/elsewhere";
  for (const char* webhook : {"one", kLikeAnId}) {
    const Ran ran = run_program({"--server", wrong, "delete", "-y", "--ignore-missing", webhook});
    CHECK(ran.exit == 3);
    CHECK(contains(ran.err, "is --server the address of a webhookd?"));
  }
  CHECK(meaning(server, {"delete", "-y", "--ignore-missing", kLikeAnId, "nobody"}).exit == 0);
}

TEST_CASE("a name that looks like an id is found once there is no such id") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", kLikeAnId}});
  server.add_delivery("wh-1", {{"id", 4}, {"status", "failed"}});
  server.answer("POST /api/v1/admin/webhooks/wh-1/deliveries/4/cancel",
                {200, R"({"id":4,"status":"cancelled"})", {}});
  for (const std::vector<std::string>& command : {std::vector<std::string>{"get", kLikeAnId},
                                                  {"pause", kLikeAnId},
                                                  {"update", kLikeAnId, "--description", "d"},
                                                  {"retry", kLikeAnId, "4"},
                                                  {"cancel", kLikeAnId, "4"},
                                                  {"delivery", kLikeAnId, "4"},
                                                  {"delete", "-y", kLikeAnId}}) {
    const Ran ran = meaning(server, command);
    CAPTURE(command.front(), ran.err);
    CHECK(ran.exit == 0);
  }
  CHECK(server.webhook("wh-1").is_null());
  CHECK(meaning(server, {"get", kLikeAnId}).exit == 3);
}

TEST_CASE("an id that there is wins over a name") {
  StubServer server;
  server.add_webhook({{"id", kLikeAnId}, {"name", "a"}});
  server.add_webhook({{"id", "wh-2"}, {"name", kLikeAnId}});
  CHECK(contains(meaning(server, {"get", kLikeAnId}).out, "name\ta\n"));
}

TEST_CASE("a hint speaks of what was asked for") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  server.answer("POST /api/v1/events", {409, R"({"detail":"Another event has this id"})", {}});
  server.answer("POST /api/v1/admin/event-types", {409, R"({"detail":"It exists already"})", {}});
  server.answer("POST /api/v1/admin/webhooks/wh-1/deliveries/1/retry",
                {409, R"({"detail":"The webhook is disabled"})", {}});
  const auto hint = [&server](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    return Json::parse(meaning(server, arguments).err)["error"]["hint"].get<std::string>();
  };
  CHECK(contains(hint({"events", "remove", "no.pe"}), "`webhookctl events`"));
  CHECK(contains(hint({"events", "add", "a.b"}), "`webhookctl events`"));
  CHECK(contains(hint({"publish", "a.b", "--data", "{}", "--id", "e"}), "--id"));
  CHECK(contains(hint({"retry", "one", "1"}), "webhookctl resume"));
  CHECK(contains(hint({"retry", "one", "2"}), "webhookctl deliveries"));
  CHECK(contains(hint({"get", kLikeAnId}), "webhookctl list"));
  CHECK(contains(hint({"delivery", "7"}), "webhookctl delivery WEBHOOK 7"));
}

TEST_CASE("--no-input is not blamed on a missing terminal") {
  StubServer server;
  CHECK(contains(meaning(server, {"delete", "one", "--no-input"}).err, "--no-input"));
  CHECK(contains(meaning(server, {"delete", "one"}).err, "no terminal"));
}

TEST_CASE("on forty columns no line of a list is longer, and on eighty a host can be told") {
  StubServer server;
  server.add_webhook({{"id", kLikeAnId},
                      {"name", "hooks.example.com"},
                      {"status", "disabled"},
                      {"events", {"user.created", "user.deleted"}},
                      {"url", "https://hooks.example.com/a/long/path"},
                      {"backlog", 12345}});
  Circumstances terminal;
  terminal.streams = Streams::terminal_out;
  terminal.environment["NO_COLOR"] = "1";
  terminal.columns = 40;
  const std::vector<std::string> words = {"--server", server.url(), "list"};
  const Ran narrow = run_program(words, terminal);
  std::istringstream lines(narrow.out);
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 42);  // "…" has 3 bytes
  terminal.columns = 80;
  CHECK(contains(run_program(words, terminal).out, " hooks.examp… "));
}

TEST_CASE("a terminal shows one line of what a receiver answered to a test") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  server.answer("POST /api/v1/admin/webhooks/wh-1/test",
                {200, R"({"delivery_id":9,"success":true})", {}});
  server.add_delivery("wh-1",
                      {{"id", 9}, {"attempts", {{{"response_body", std::string(16'000, 'b')}}}}});
  Circumstances terminal;
  terminal.streams = Streams::terminal_out;
  const std::vector<std::string> words = {"--server", server.url(), "test", "one"};
  CHECK(run_program(words, terminal).out.size() < 2000);
  CHECK(meaning(server, {"test", "one"}).out.size() > 16'000);
}
