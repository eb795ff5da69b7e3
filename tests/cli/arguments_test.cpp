// What a command line may hold: values that are empty, no text or no number.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/stub_server.h"

using namespace webhookd::tests;

namespace {

Ran ask(const StubServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--server", server.url()});
  return run_program(arguments);
}

}  // namespace

TEST_CASE("an empty value is a usage error that names the option, and never means not given") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  const std::pair<std::vector<std::string>, const char*> table[] = {
      {{"token", "create", "--tenant", ""}, "--tenant"},
      {{"publish", "a.b", "--data", "{}", "--tenant", ""}, "--tenant"},
      {{"publish", "a.b", "--data", "{}", "--id", ""}, "--id"},
      {{"retry", "one", "--status", "succeeded", "--since", "", "--dry-run"}, "--since"},
      {{"rotate-secret", "one", "--grace", ""}, "--grace"},
      {{"list", "--tenant", ""}, "--tenant"},
      {{"update", "one", "--url", ""}, "--url"},
      {{"create", "http://a.example", "--event", "*", "--name", ""}, "--name"},
      {{"create", "http://a.example", "--event", ""}, "--event"},
      {{"get", ""}, "WEBHOOK"},
      {{"list", "--token-file", ""}, "--token-file"}};
  for (const auto& [arguments, option] : table) {
    const Ran ran = ask(server, arguments);
    CAPTURE(ran.err);
    CHECK(ran.exit == 2);
    CHECK(contains(ran.err, std::string("error: ") + option + " is empty\n"));
  }
  CHECK(server.seen().empty());
}

TEST_CASE("an option that ends in an equals sign is empty, and leaves the next word alone") {
  StubServer server;
  const Ran ran = ask(server, {"list", "--tenant=", "-o", "json"});
  CHECK(ran.exit == 2);
  CHECK(Json::parse(ran.err)["error"]["message"] == "--tenant is empty");
  CHECK(server.seen().empty());
}

TEST_CASE("-- ends the options, wherever it stands, and what follows is named as before it") {
  const auto paused = [](std::vector<std::string> arguments) {
    StubServer server;
    for (const char* id : {"A", "B", "-C"}) {
      server.add_webhook({{"id", id}, {"name", id}, {"status", "active"}});
    }
    arguments.insert(arguments.begin(), "pause");
    const Ran ran = ask(server, arguments);
    CAPTURE(ran.err);
    CHECK(ran.exit == 0);
    std::string ids;
    for (const std::string id : {"A", "B", "-C"}) {
      if (server.webhook(id)["status"] == "paused") ids += id + " ";
    }
    return ids;
  };
  CHECK(paused({"A", "--", "B"}) == "A B ");
  CHECK(paused({"A", "-q", "--", "B"}) == "A B ");
  CHECK(paused({"--", "A", "B"}) == "A B ");
  CHECK(paused({"--", "A", "-C"}) == "A -C ");
}

TEST_CASE("a value that is spelt like an option is a value") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  for (const std::string value : {"--wait", "--url", "--"}) {
    CHECK(ask(server, {"update", "one", "--description", value}).exit == 0);
    CHECK(server.webhook("wh-1")["description"] == value);
    CHECK(ask(server, {"update", "one", "--description=" + value}).exit == 0);
    CHECK(server.webhook("wh-1")["description"] == value);
  }
}

TEST_CASE("a description may be emptied") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  CHECK(ask(server, {"update", "one", "--description", ""}).exit == 0);
  CHECK(server.webhook("wh-1")["description"] == "");
  CHECK(ask(server, {"update", "one", "--description="}).exit == 0);
}

TEST_CASE("a list of nothing but commas is a usage error") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  CHECK(ask(server, {"update", "one", "--retry-schedule", ","}).exit == 2);
  CHECK(ask(server, {"update", "one", "--event", ",", "--name", "x"}).exit == 2);
  CHECK(server.seen().empty());
}

TEST_CASE("a rate limit that is no number is refused, and does not remove the limit") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  for (const char* limit : {"nan", "inf", "-inf", "1e999"}) {
    CAPTURE(limit);
    CHECK(ask(server, {"update", "one", "--rate-limit", limit}).exit == 2);
  }
  CHECK(server.seen().empty());
}

TEST_CASE("a number is decimal, whatever zeros it begins with") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  for (const char* option : {"--max-in-flight", "--rate-limit"}) {
    for (const char* number : {"010", "0x10", "-010"}) {
      const Ran ran = ask(server, {"update", "one", option, number});
      CHECK(ran.exit == 2);
      CHECK_THAT(ran.err, Catch::Contains(option) && Catch::Contains("decimal"));
    }
  }
  CHECK(server.seen().empty());
  CHECK(ask(server, {"update", "one", "--rate-limit", "0.5"}).exit == 0);
}

TEST_CASE("text that is no UTF-8 is a usage error that names the option") {
  StubServer server;
  const Ran ran = ask(server, {"list", "--name", "a\xff", "-o", "json"});
  CHECK(ran.exit == 2);
  CHECK(Json::parse(ran.err)["error"]["message"] == "--name is not valid UTF-8");
  CHECK(ask(server, {"get", "a\xff"}).exit == 2);
  CHECK(server.seen().empty());
}

TEST_CASE("the name of a file may be any bytes") {
  const Folder folder;
  StubServer server;
  CHECK(ask(server, {"list", "--token-file", folder.write("t\xff", "abc")}).exit == 0);
}
