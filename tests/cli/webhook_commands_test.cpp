// create, list, get, update, delete, pause, resume, disable, rotate-secret, events, test and stats
// against a server that has the reference's endpoints alone.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/stub_server.h"

using namespace webhookd::tests;

namespace {

class WebhookFixture {
 public:
  Ran run(std::vector<std::string> arguments, const Circumstances& circumstances = {}) {
    arguments.insert(arguments.begin(), {"--server", server.url()});
    return run_program(arguments, circumstances);
  }
  void add(const char* id, const char* name, const char* status = "active") {
    server.add_webhook({{"id", id},
                        {"name", name},
                        {"url", std::string("https://") + name + ".example.com/hook"},
                        {"events", {"user.*"}},
                        {"status", status}});
  }
  Json last_body() const { return Json::parse(server.seen().back().body); }

  StubServer server;
  Folder folder;
};

}  // namespace

TEST_CASE("create sends what was asked for and shows the secret once") {
  WebhookFixture f;
  const Ran ran = f.run({"create",
                         "https://a.example/h",
                         "--event",
                         "user.created,user.deleted",
                         "--event",
                         "group.*",
                         "--name",
                         "billing",
                         "--header",
                         "X-Team: blue: green",
                         "--header-file",
                         f.folder.write("h", "Authorization: Bearer x\n\n"),
                         "--secret-file",
                         f.folder.write("s", "a-secret-of-my-own\n"),
                         "--attempt-timeout",
                         "20s",
                         "--retry-schedule",
                         "5s,5m",
                         "--max-in-flight",
                         "4",
                         "--rate-limit",
                         "2.5",
                         "--ordered",
                         "--metadata",
                         "k=v=w",
                         "--paused",
                         "--tenant",
                         "tnt_1",
                         "--description",
                         "d"});
  CHECK(ran.exit == 0);
  CHECK(f.last_body() ==
        Json::parse(R"({"url":"https://a.example/h","events":["user.created","user.deleted",
          "group.*"],"name":"billing","description":"d","tenant_id":"tnt_1","headers":{
          "Authorization":"Bearer x","X-Team":"blue: green"},"timeout_seconds":20,
          "retry_schedule":[5,300],"max_in_flight":4,"rate_limit_per_second":2.5,"ordered":true,
          "metadata":{"k":"v=w"},"status":"paused","secret":"a-secret-of-my-own"})"));
  CHECK(contains(ran.out, "secret\twhsec_c3R1Yg==\n"));
  CHECK(contains(ran.out, "backlog\t-\n"));
  CHECK(contains(ran.err, "shown only now"));
  CHECK_FALSE(contains(ran.out, "Bearer x"));
  CHECK(f.server.foreign().empty());
}

TEST_CASE("create needs an event type, and says so before it asks the server") {
  WebhookFixture f;
  const Ran ran = f.run({"create", "https://a.example/h"});
  CHECK(ran.exit == 2);
  CHECK(contains(ran.err, "--event"));
  CHECK(f.server.seen().empty());
}

TEST_CASE("create --if-not-exists succeeds twice and creates once") {
  WebhookFixture f;
  const std::vector<std::string> words = {
      "create", "https://a.example/h", "--event", "*", "--name", "billing", "--if-not-exists"};
  CHECK(f.run(words).exit == 0);
  const Ran again = f.run(words);
  CHECK(again.exit == 0);
  CHECK(contains(again.out, "wh-1"));
  CHECK_FALSE(contains(again.out, "whsec_c3R1Yg=="));
  CHECK(f.server.webhook("wh-2").is_null());
  const Ran unnamed = f.run({"create", "https://a.example/h", "--event", "*", "--if-not-exists"});
  CHECK(unnamed.exit == 0);
  CHECK(f.server.webhook("wh-2").is_null());
  const Ran other = f.run(
      {"create", "https://b.example/h", "--event", "*", "--name", "billing", "--if-not-exists"});
  CHECK(other.exit == 6);
  CHECK(contains(other.err, "https://a.example/h"));
}

TEST_CASE("list filters on its own where the server does not") {
  WebhookFixture f;
  f.add("wh-1", "one");
  f.add("wh-2", "two", "disabled");
  f.server.add_webhook({{"id", "wh-3"}, {"name", "three"}, {"events", {"group.created"}}});
  CHECK(f.run({"list", "--no-header"}).out ==
        "wh-1\tone\tactive\tuser.*\thttps://one.example.com/hook\t-\t-\t-\t-\t-\t-\t-\t-\n"
        "wh-2\ttwo\tdisabled\tuser.*\thttps://two.example.com/hook\t-\t-\t-\t-\t-\t-\t-\t-\n"
        "wh-3\tthree\t-\tgroup.created\t-\t-\t-\t-\t-\t-\t-\t-\t-\n");
  const Ran disabled = f.run({"list", "--status", "disabled", "-o", "jsonl"});
  CHECK(Json::parse(disabled.out)["id"] == "wh-2");
  CHECK(f.server.seen().back().query.at("status") == "disabled");
  CHECK(contains(f.run({"list", "--event", "group.created"}).out, "wh-3"));
  CHECK_FALSE(contains(f.run({"list", "--event", "group.created"}).out, "wh-1"));
  CHECK(contains(f.run({"list", "--name", "two"}).out, "wh-2"));
  CHECK(f.run({"list", "--name", "nobody", "-o", "table"}).out.empty());
  CHECK(f.run({"list", "--status", "broken"}).exit == 2);
}

TEST_CASE("list says when there are more, and --all shows them") {
  WebhookFixture f;
  for (int i = 1; i <= 130; ++i) f.add(("wh-" + std::to_string(i)).c_str(), "n");
  const Ran some = f.run({"list", "-o", "jsonl"});
  CHECK(std::count(some.out.begin(), some.out.end(), '\n') == 100);
  CHECK(some.err.empty());
  CHECK(contains(f.run({"list"}).err, "100 of 130 webhooks shown"));
  CHECK(f.run({"list", "-q"}).err.empty());
  const Ran all = f.run({"list", "--all", "-o", "json"});
  CHECK(Json::parse(all.out)["items"].size() == 130);
}

TEST_CASE("JSON is byte for byte what the server answered") {
  WebhookFixture f;
  const std::string body =
      "{\"id\" : \"wh-1\",\n\t\"n\": 0.10, \"big\": 123456789012345678901234567890}";
  f.server.answer("GET /api/v1/admin/webhooks/whk_0123456789abcdef", {200, body, {}});
  CHECK(f.run({"get", "whk_0123456789abcdef", "-o", "json"}).out == body + "\n");
  CHECK(f.run({"get", "whk_0123456789abcdef", "-o", "jsonl"}).out ==
        R"({"id":"wh-1","n":0.10,"big":123456789012345678901234567890})"
        "\n");
}

TEST_CASE("get finds by name, also one that is called like a command") {
  WebhookFixture f;
  f.add("wh-1", "test");
  const Ran ran = f.run({"get", "test"});
  CHECK(ran.exit == 0);
  CHECK(contains(ran.out, "id\twh-1\n"));
  CHECK(contains(ran.out, "secret_hint\t-\n"));
  CHECK(f.run({"get", "nobody"}).exit == 3);
  CHECK(f.run({"get", "whk_0123456789abcdef"}).exit == 3);
}

TEST_CASE("update changes only what is named, and null resets") {
  WebhookFixture f;
  f.add("wh-1", "one");
  CHECK(f.run({"update", "one", "--name", "uno", "--no-description", "--clear-rate-limit",
               "--no-ordered", "--retry-schedule", "none"})
            .exit == 0);
  CHECK(f.last_body() == Json::parse(R"({"description":null,"rate_limit_per_second":null,
      "ordered":false,"name":"uno","retry_schedule":[]})"));
  CHECK(f.run({"update", "uno", "--retry-schedule", "default"}).exit == 0);
  CHECK(f.last_body() == Json::parse(R"({"retry_schedule":null})"));
  CHECK(f.run({"update", "uno"}).exit == 2);
}

TEST_CASE("update refuses to set and to clear the same") {
  WebhookFixture f;
  const std::vector<std::vector<std::string>> contradictions = {
      {"--ordered", "--no-ordered"},
      {"--tenant", "t", "--clear-tenant"},
      {"--rate-limit", "5", "--no-rate-limit"}};
  for (std::vector<std::string> arguments : contradictions) {
    arguments.insert(arguments.begin(), {"update", "one"});
    CHECK(f.run(arguments).exit == 2);
  }
}

TEST_CASE("update keeps the headers and the metadata that are not named") {
  WebhookFixture f;
  f.server.add_webhook({{"id", "wh-1"},
                        {"name", "one"},
                        {"headers", {{"Authorization", "***"}, {"X-Old", "1"}}},
                        {"metadata", {{"a", "1"}}}});
  CHECK(f.run({"update", "one", "--header", "x-old: 2", "--metadata", "b=2"}).exit == 0);
  CHECK(f.last_body() == Json::parse(R"({"headers":{"Authorization":"***","x-old":"2"},
      "metadata":{"a":"1","b":"2"}})"));
  CHECK(f.run({"update", "one", "--remove-header", "authorization"}).exit == 0);
  CHECK(f.last_body() == Json::parse(R"({"headers":{"x-old":"2"}})"));
  CHECK(f.run({"update", "one", "--clear-headers"}).exit == 0);
  CHECK(f.last_body() == Json::parse(R"({"headers":{}})"));
  CHECK(f.run({"update", "one", "--clear-headers", "--remove-header", "x-old"}).exit == 0);
  CHECK(f.last_body() == Json::parse(R"({"headers":{}})"));
}

TEST_CASE("delete needs a yes: from the flag where nobody can be asked") {
  WebhookFixture f;
  f.add("wh-1", "one");
  const Ran refused = f.run({"delete", "one"});
  CHECK(refused.exit == 2);
  CHECK(contains(refused.err, "--yes"));
  CHECK_FALSE(f.server.webhook("wh-1").is_null());
  CHECK(f.run({"delete", "one", "-y"}).exit == 0);
  CHECK(f.server.webhook("wh-1").is_null());
}

TEST_CASE("delete asks on a terminal, and does nothing without a yes") {
  WebhookFixture f;
  f.add("wh-1", "one");
  Circumstances terminal;
  terminal.streams = Streams::all_terminal;
  terminal.input = "n\n";
  const Ran no = f.run({"delete", "one"}, terminal);
  CHECK(no.exit == 2);
  CHECK(contains(no.out, "Delete one"));
  CHECK_FALSE(f.server.webhook("wh-1").is_null());
  CHECK(f.run({"delete", "one", "--no-input"}, terminal).exit == 2);
  terminal.input = "y\n";
  CHECK(f.run({"delete", "one"}, terminal).exit == 0);
  CHECK(f.server.webhook("wh-1").is_null());
}

TEST_CASE("one missing webhook of several makes delete partly done") {
  WebhookFixture f;
  f.add("wh-1", "one");
  const Ran partly = f.run({"delete", "-y", "nobody", "one"});
  CHECK(partly.exit == 9);
  CHECK(contains(partly.err, "nobody"));
  CHECK(f.server.webhook("wh-1").is_null());
  CHECK(f.run({"delete", "-y", "nobody", "nobody-else"}).exit == 3);
  CHECK(f.run({"delete", "-y", "--ignore-missing", "nobody"}).exit == 0);
}

TEST_CASE("pause, resume and disable patch the status") {
  WebhookFixture f;
  f.add("wh-1", "one");
  f.add("wh-2", "two");
  const std::pair<const char*, const char*> changes[] = {
      {"pause", "paused"}, {"resume", "active"}, {"disable", "disabled"}};
  for (const auto& [command, status] : changes) {
    CAPTURE(command);
    const Ran ran = f.run({command, "one", "two"});
    CHECK(ran.exit == 0);
    CHECK(f.server.seen().back().method == "PATCH");
    CHECK(f.last_body() == Json({{"status", status}}));
    CHECK(f.server.webhook("wh-1")["status"] == status);
    CHECK(contains(ran.out, std::string("wh-2\ttwo\t") + status));
  }
  CHECK(f.run({"pause", "one", "nobody"}).exit == 9);
  CHECK(f.server.foreign().empty());
}

TEST_CASE("rotate-secret prints the new secret alone on stdout") {
  WebhookFixture f;
  f.add("wh-1", "one");
  const Ran ran = f.run({"rotate-secret", "one"});
  CHECK(ran.exit == 0);
  CHECK(ran.out == "whsec_bmV3\n");
  CHECK(f.server.seen().back().body.empty());
  CHECK(f.run({"rotate-secret", "one", "--grace", "1h", "--secret-file",
               f.folder.write("s", "my-own-secret-text\n")})
            .exit == 0);
  CHECK(f.last_body() ==
        Json::parse(R"({"grace_period_seconds":3600,"secret":"my-own-secret-text"})"));
}

TEST_CASE("events lists bare names too") {
  WebhookFixture f;
  CHECK(f.run({"events"}).out ==
        "event_type\tresource_type\tdescription\nuser.created\t-\t-\nuser.deleted\t-\t-\n");
  CHECK(f.server.foreign().empty());
}

TEST_CASE("events add and remove speak to the catalogue, the schema digit for digit") {
  WebhookFixture f;
  f.server.answer("POST /api/v1/admin/event-types", {201, R"({"event_type":"invoice.paid"})", {}});
  f.server.answer("DELETE /api/v1/admin/event-types/invoice.paid", {204, "", {}});
  CHECK(f.run({"events", "add", "invoice.paid", "--schema", R"({"maximum": 1.50})"}).exit == 0);
  CHECK(f.server.seen().back().body ==
        R"({"event_type":"invoice.paid","schema":{"maximum": 1.50}})");
  CHECK(f.run({"events", "remove", "invoice.paid"}).exit == 0);
  CHECK(f.server.seen().back().method == "DELETE");
}

TEST_CASE("test exits 7 when the attempt failed, and tells why") {
  WebhookFixture f;
  f.add("wh-1", "one");
  const Ran good = f.run({"test", "one"});
  CHECK(good.exit == 0);
  CHECK(contains(good.out, "result\tsucceeded"));
  CHECK(f.server.seen().back().body.empty());
  f.server.answer("POST /api/v1/admin/webhooks/wh-1/test",
                  {200,
                   R"({"delivery_id":9,"success":false,"status_code":500,"duration_ms":12,
                            "error":{"kind":"http_status","message":"HTTP 500"}})",
                   {}});
  f.server.add_delivery(
      "wh-1",
      {{"id", 9},
       {"diagnosis", "the receiver fails"},
       {"attempts",
        {{{"number", 1}, {"response_body", "oops\x1b[2J"}, {"timings", {{"connect_ms", 3}}}}}}});
  const Ran bad = f.run({"test", "one", "--event", "user.created", "--data", R"({"n": 0.10})"});
  CHECK(bad.exit == 7);
  CHECK(contains(bad.out, "error\tHTTP 500"));
  CHECK(contains(bad.out, "connect_ms\t3"));
  CHECK(contains(bad.out, "response_body\toops\\x1b[2J"));
  CHECK(contains(bad.err, "hint: the receiver fails"));
  CHECK(f.server.foreign().empty());
}

TEST_CASE("stats shows dashes for what the server does not count, and a chart if it can") {
  WebhookFixture f;
  f.add("wh-1", "one");
  const Ran lean = f.run({"stats", "one", "--window", "7d"});
  CHECK(lean.exit == 0);
  CHECK(contains(lean.out, "succeeded\t9\n"));
  CHECK(contains(lean.out, "latency_p99\t-\n"));
  CHECK(f.server.seen().back().query.at("window") == "7d");
  f.server.answer("GET /api/v1/admin/webhooks/wh-1/stats",
                  {200,
                   R"({"success_rate":0.75,"status_codes":{"200":3,"500":1},"series":[
                    {"start":"2026-11-23T08:00:00.000Z","succeeded":0,"failed":0},
                    {"start":"2026-11-23T09:00:00.000Z","succeeded":3,"failed":1},
                    {"start":"2026-11-23T10:00:00.000Z","succeeded":0,"failed":0}]})",
                   {}});
  const Ran full = f.run({"stats", "one", "-o", "table"});
  CHECK(contains(full.out, "75.00 %"));
  CHECK(
      contains(full.out, "11-23 09:00  ██████████████████████████████▒▒▒▒▒▒▒▒▒▒  3 ok, 1 failed"));
  CHECK(contains(full.out, "11-23 10:00    0 ok"));
  CHECK_FALSE(contains(full.out, "11-23 08:00"));
  CHECK(contains(full.out, "200: 3, 500: 1"));
  CHECK_FALSE(contains(full.out, "hold_reason"));
}

TEST_CASE("stats shows why a backlog waits") {
  WebhookFixture f;
  f.add("wh-1", "one");
  f.server.answer("GET /api/v1/admin/webhooks/wh-1/stats",
                  {200,
                   R"({"backlog":7,"circuit":{"state":"open","next_probe_at":null},
                    "hold_reason":"delivery 4 comes first","held_until":null,
                    "head_delivery_id":4})",
                   {}});
  const Ran table = f.run({"stats", "one", "-o", "table"});
  CHECK(contains(table.out, "delivery 4 comes first"));
  CHECK(contains(table.out, "open"));
  CHECK_FALSE(contains(table.out, "held_until"));
  const Ran tsv = f.run({"stats", "one"});
  CHECK(contains(tsv.out, "backlog\t7\n"));
  CHECK(contains(tsv.out, "held_until\t-\n"));
  CHECK(contains(tsv.out, "head_delivery_id\t4\n"));
}
