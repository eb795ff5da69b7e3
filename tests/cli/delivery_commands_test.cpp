// publish, deliveries, delivery, retry, cancel, and what only our own server has.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/stub_server.h"
#include "shared/canonical_json.h"
#include "shared/ids.h"
#include "shared/time.h"

using namespace webhookd::tests;

namespace {

std::string hours_ago(int hours) {
  return webhookd::format_rfc3339(webhookd::SystemClock().now() - std::chrono::hours(hours));
}

class DeliveryFixture {
 public:
  DeliveryFixture() {
    server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
    const auto add = [this](int id, const char* status, const Json& http, int hours,
                            const char* event) {
      server.add_delivery("wh-1", {{"id", id},
                                   {"status", status},
                                   {"response_status", http},
                                   {"event_type", event},
                                   {"created_at", hours_ago(hours)}});
    };
    add(14, "pending", nullptr, 0, "user.created");
    add(13, "failed", 503, 1, "user.created");
    add(12, "failed", 404, 3, "user.deleted");
    add(11, "succeeded", 200, 5, "user.created");
  }
  Ran run(std::vector<std::string> arguments, const Circumstances& circumstances = {}) {
    arguments.insert(arguments.begin(), {"--server", server.url()});
    return run_program(arguments, circumstances);
  }
  // The ids that a listing holds, in order.
  std::string ids(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "jsonl"});
    const Ran ran = run(arguments);
    std::string text;
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line);) {
      text += (text.empty() ? "" : " ") + Json::parse(line)["id"].dump();
    }
    return text;
  }

  StubServer server;
};

}  // namespace

TEST_CASE("the filters of deliveries hold on a server that knows none of them") {
  DeliveryFixture f;
  CHECK(f.ids({"deliveries", "one"}) == "14 13 12 11");
  CHECK(f.ids({"deliveries", "one", "--status", "failed"}) == "13 12");
  CHECK(f.ids({"deliveries", "one", "--since", "2h"}) == "14 13");
  CHECK(f.ids({"deliveries", "one", "--until", "2h"}) == "12 11");
  CHECK(f.ids({"deliveries", "one", "--since", hours_ago(4), "--until", "2h"}) == "12");
  CHECK(f.ids({"deliveries", "one", "--event", "user.deleted"}) == "12");
  CHECK(f.ids({"deliveries", "one", "--http", "5xx"}) == "13");
  CHECK(f.ids({"deliveries", "one", "--http", "404"}) == "12");
  CHECK(f.ids({"deliveries", "one", "--http", "none"}) == "14");
  CHECK(f.ids({"deliveries", "one", "--limit", "2"}) == "14 13");
  CHECK(f.ids({"deliveries", "one", "--status", "failed", "--limit", "1"}) == "13");
  CHECK(f.server.foreign().empty());
}

TEST_CASE("the filters of deliveries are sent as the API names them") {
  DeliveryFixture f;
  f.run({"deliveries", "one", "--status", "failed", "--since", "2026-11-23T10:00:00+01:00",
         "--event", "user.created", "--http", "5xx"});
  const auto query = f.server.seen().back().query;
  CHECK(query.at("status") == "failed");
  CHECK(query.at("since") == "2026-11-23T09:00:00.000Z");
  CHECK(query.at("event_type") == "user.created");
  CHECK(query.at("response_status") == "5xx");
}

TEST_CASE("a filter that cannot be is a usage error") {
  DeliveryFixture f;
  CHECK(f.run({"deliveries", "one", "--since", "yesterday"}).exit == 2);
  CHECK(f.run({"deliveries", "one", "--http", "6xx"}).exit == 2);
  CHECK(f.run({"deliveries", "one", "--status", "lost"}).exit == 2);
  CHECK(f.run({"deliveries", "one", "--limit", "0"}).exit == 2);
  CHECK(f.server.seen().empty());
}

TEST_CASE("deliveries in TSV have dashes for what the server lacks") {
  DeliveryFixture f;
  const Ran ran = f.run({"deliveries", "one", "--status", "pending", "--no-header"});
  CHECK(ran.out.starts_with("14\tpending\tuser.created\t-\t-\t-\t20"));
}

TEST_CASE("a delivery is shown with its attempts, diagnosis, bodies and headers") {
  DeliveryFixture f;
  f.server.add_delivery("wh-1",
                        Json::parse(R"({"id":20,"status":"failed","diagnosis":"fix the receiver",
        "request":{"url":"https://a.example/h","body":"{\"x\":\"it's\"}"},
        "attempts":[{"number":1,"trigger":"automatic","started_at":"2026-11-23T09:00:00.000Z",
          "duration_ms":12,"response_status":500,
          "request_headers":{"X-ScaiKey-Signature":"t=1,v1=ab","Authorization":"Bearer leaked"},
          "response_headers":{"Server":"x"},"response_body":"AQL/","response_body_encoding":"base64",
          "error":{"kind":"http_status","message":"HTTP 500"}}]})"));
  const Ran plain = f.run({"delivery", "one", "20", "-o", "table"});
  CHECK(plain.exit == 0);
  CHECK(contains(plain.out, "diagnosis:        fix the receiver"));
  CHECK(contains(plain.out, "1  2026-11-23T09:00:00.000Z  automatic   500  12 ms"));
  CHECK_FALSE(contains(plain.out, "Bearer"));
  const Ran full = f.run({"delivery", "one", "20", "-o", "table", "--body", "--headers"});
  CHECK(contains(full.out, "{\"x\":\"it's\"}"));
  CHECK(contains(full.out, "\\x01\\x02\\xff"));
  CHECK(contains(full.out, "Authorization: ***"));
  CHECK_FALSE(contains(full.out, "leaked"));
  const Ran curl = f.run({"delivery", "one", "20", "--curl"});
  CHECK(contains(curl.out, "-H 'X-ScaiKey-Signature: t=1,v1=ab'"));
  CHECK(contains(curl.out, "--data-raw '{\"x\":\"it'\\''s\"}'"));
  CHECK(contains(curl.out, "'https://a.example/h'\n"));
  CHECK_FALSE(contains(curl.out, "leaked"));
  CHECK(contains(f.run({"delivery", "one", "20", "--body", "--headers"}).out,
                 "request_body\t{\"x\":\"it's\"}\n"
                 "attempt_1_request_headers\tX-ScaiKey-Signature: t=1,v1=ab\\nAuthorization: ***\n"
                 "attempt_1_response_headers\tServer: x\n"
                 "attempt_1_response_body\t\\x01\\x02\\xff\n"));
  CHECK(contains(f.run({"delivery", "one", "20"}).out,
                 "attempt_1\t2026-11-23T09:00:00.000Z automatic 500 12 ms HTTP 500\n"));
  CHECK(f.server.foreign().empty());
}

TEST_CASE("a delivery without its webhook is asked for across webhooks") {
  DeliveryFixture f;
  f.server.answer("GET /api/v1/admin/deliveries/20", {200, R"({"id":20})", {}});
  CHECK(contains(f.run({"delivery", "20"}).out, "id\t20\n"));
  CHECK(f.run({"delivery", "one", "99"}).exit == 3);
}

TEST_CASE("retry takes ids, and is partly done when one of them is missing") {
  DeliveryFixture f;
  const Ran ran = f.run({"retry", "one", "13", "12"});
  CHECK(ran.exit == 0);
  CHECK(contains(ran.out, "13\tpending"));
  CHECK(f.run({"retry", "one", "13", "99"}).exit == 9);
  CHECK(f.run({"retry", "one", "99"}).exit == 3);
  f.run({"retry", "one", "11", "--force"});
  CHECK(f.server.seen().back().query.at("force") == "true");
  CHECK(f.server.foreign().empty());
}

TEST_CASE("retry with filters takes what they mean, and --dry-run changes nothing") {
  DeliveryFixture f;
  const Ran dry = f.run({"retry", "one", "--since", "4h", "--dry-run", "-o", "jsonl"});
  CHECK(dry.exit == 0);
  CHECK(std::count(dry.out.begin(), dry.out.end(), '\n') == 2);
  for (const Seen& seen : f.server.seen()) CHECK(seen.method == "GET");
  const Ran ran = f.run({"retry", "one", "--status", "failed", "--since", "2h", "--http", "5xx"});
  CHECK(ran.exit == 0);
  CHECK(f.server.seen().back().path == "/api/v1/admin/webhooks/wh-1/deliveries/13/retry");
  CHECK(f.run({"retry", "one"}).exit == 2);
  CHECK(f.run({"retry", "one", "13", "--since", "2h"}).exit == 2);
  CHECK(f.server.foreign().empty());
}

TEST_CASE("retry --dry-run with ids is refused, and nothing is sent") {
  DeliveryFixture f;
  const Ran ran = f.run({"retry", "one", "13", "--dry-run"});
  CHECK(ran.exit == 2);
  CHECK_THAT(ran.err, Catch::Contains("--dry-run goes with filters"));
  CHECK(f.server.seen().empty());
}

TEST_CASE("retry with filters leaves tests alone, and says when more are left") {
  DeliveryFixture f;
  f.server.add_delivery("wh-1", {{"id", 15}, {"status", "failed"}, {"event_type", "webhook.test"}});
  CHECK(f.ids({"retry", "one", "--status", "failed", "--dry-run"}) == "13 12");
  CHECK(f.ids({"retry", "one", "--event", "webhook.test", "--dry-run"}) == "15");
  const Ran ran = f.run({"retry", "one", "--status", "failed", "--limit", "1"});
  CHECK(ran.exit == 0);
  CHECK_THAT(ran.err, Catch::Contains("there are more"));
}

TEST_CASE("what cannot be retried among many is skipped, unless it is none of them that can") {
  DeliveryFixture f;
  const Canned conflict{409, R"({"detail":"The delivery is in flight"})", {}};
  f.server.answer("POST /api/v1/admin/webhooks/wh-1/deliveries/12/retry", conflict);
  const Ran some = f.run({"retry", "one", "--status", "failed"});
  CHECK(some.exit == 0);
  CHECK(contains(some.err, "1 of 2 are tried again"));
  f.server.answer("POST /api/v1/admin/webhooks/wh-1/deliveries/13/retry", conflict);
  CHECK(f.run({"retry", "one", "--status", "failed"}).exit == 6);
  CHECK(f.run({"retry", "one", "12", "13"}).exit == 6);
  CHECK(f.server.foreign().empty());
}

TEST_CASE("a limit or an id that is no number is a usage error in one short line") {
  DeliveryFixture f;
  for (const char* limit : {"0", "abc", "-1", "1.5"}) {
    const Ran ran = f.run({"deliveries", "one", "--limit", limit});
    CHECK(ran.exit == 2);
    CHECK_THAT(ran.err, Catch::Contains("whole number of at least 1"));
  }
  CHECK(f.run({"delivery", ""}).exit == 2);
  CHECK(f.run({"delivery", "one"}).exit == 2);
  CHECK(f.server.seen().empty());
}

TEST_CASE("retry --wait tells how it went") {
  DeliveryFixture f;
  CHECK(f.run({"retry", "one", "13", "--wait", "1ms"}).exit == 8);
  f.server.answer("GET /api/v1/admin/webhooks/wh-1/deliveries/12",
                  {200, R"({"id":12,"status":"succeeded"})", {}});
  CHECK(f.run({"retry", "one", "12", "--wait"}).exit == 0);
  f.server.answer("GET /api/v1/admin/webhooks/wh-1/deliveries/12",
                  {200, R"({"id":12,"status":"failed"})", {}});
  CHECK(f.run({"retry", "one", "12", "--wait"}).exit == 7);
}

TEST_CASE("cancel goes to each delivery") {
  DeliveryFixture f;
  f.server.answer("POST /api/v1/admin/webhooks/wh-1/deliveries/14/cancel",
                  {200, R"({"id":14,"status":"cancelled"})", {}});
  CHECK(contains(f.run({"cancel", "one", "14"}).out, "14\tcancelled"));
  CHECK(f.run({"cancel", "one", "14", "15"}).exit == 9);
}

TEST_CASE("publish --wait says when nobody takes the event") {
  DeliveryFixture f;
  f.server.answer("POST /api/v1/events",
                  {202, R"({"event_id":"evt_1","deliveries":0,"duplicate":false})", {}});
  f.server.answer("GET /api/v1/admin/events/evt_1",
                  {200, R"({"event_id":"evt_1","event_type":"user.created","deliveries":[]})", {}});
  const Ran ran = f.run({"publish", "user.created", "--data", "{}", "--id", "evt_1", "--wait"});
  CHECK(ran.exit == 0);
  CHECK(contains(ran.err, "no active webhook takes this event"));
}

TEST_CASE("publish sends the data digit for digit under an id of its own") {
  DeliveryFixture f;
  f.server.answer("POST /api/v1/events",
                  {202, R"({"event_id":"evt_1","deliveries":0,"duplicate":false})", {}});
  const std::string data = R"({ "n": 0.10, "big": 123456789012345678901234567890, "ü": "é" })";
  const Ran ran = f.run({"publish", "user.created", "--data", data, "--tenant", "t", "--resource",
                         "user:usr:7", "--actor", "adm_1:admin"});
  CHECK(ran.exit == 0);
  CHECK(contains(ran.out, "deliveries\t0\n"));
  CHECK(contains(ran.err, "no active webhook"));
  const std::string body = f.server.seen().back().body;
  CHECK(contains(body, "\"data\":" + data + "}"));
  const Json sent = Json::parse(body);
  CHECK(webhookd::is_event_id(sent["event_id"].get<std::string>()));
  CHECK(sent["event_id"].get<std::string>().starts_with("evt_"));
  CHECK(sent["resource"] == Json({{"type", "user"}, {"id", "usr:7"}}));
  CHECK(sent["actor"] == Json({{"id", "adm_1"}, {"type", "admin"}}));
  CHECK(sent["tenant_id"] == "t");
}

TEST_CASE("publish reads its data from a file and from stdin") {
  DeliveryFixture f;
  const Folder folder;
  f.server.answer("POST /api/v1/events", {202, R"({"event_id":"e1","deliveries":1})", {}});
  f.run({"publish", "a.b", "--data", "@" + folder.write("d.json", R"({"a":1})"), "--id", "e1"});
  CHECK(f.server.seen().back().body == R"({"event_type":"a.b","event_id":"e1","data":{"a":1}})");
  Circumstances piped;
  piped.input = "{\"b\":2}\n";
  f.run({"publish", "a.b", "--data", "-"}, piped);
  CHECK(contains(f.server.seen().back().body, "\"data\":{\"b\":2}\n}"));
}

TEST_CASE("publish refuses data that is no JSON object, without asking the server") {
  DeliveryFixture f;
  for (const char* data : {"{", "[1]", "7", "", "@/nonexistent", "{\"a\":1},\"event_id\":{}"}) {
    CAPTURE(data);
    CHECK(f.run({"publish", "a.b", "--data", data}).exit == 2);
  }
  CHECK(f.run({"publish", "a.b"}).exit == 2);
  CHECK(f.server.seen().empty());
}

TEST_CASE("after an unknown outcome publish says how to repeat it safely") {
  DeliveryFixture f;
  f.server.answer("POST /api/v1/events", {503, R"({"detail":"The store is full"})", {}});
  const Ran ran = f.run({"publish", "a.b", "--data", "{}"});
  CHECK(ran.exit == 1);
  const Json sent = Json::parse(f.server.seen().back().body);
  CHECK(contains(ran.err, "--id " + sent["event_id"].get<std::string>()));
  f.server.answer("POST /api/v1/events", {422, R"({"detail":[]})", {}});
  const Ran rejected = f.run({"publish", "a.b", "--data", "{}"});
  CHECK(rejected.exit == 6);
  CHECK_FALSE(contains(rejected.err, "--id"));
  const Ran lost = run_program({"--socket", "/nonexistent", "publish", "a.b", "--data", "{}"});
  CHECK(lost.exit == 5);
  CHECK(contains(lost.err, "--id evt_"));
}

TEST_CASE("publish --wait exits by what became of the deliveries") {
  DeliveryFixture f;
  f.server.answer("POST /api/v1/events", {202, R"({"event_id":"e1","deliveries":2})", {}});
  const auto outcome = [&f](const std::string& first, const std::string& second) {
    f.server.answer("GET /api/v1/admin/events/e1",
                    {200,
                     R"({"event_id":"e1","deliveries":[{"id":1,"status":")" + first +
                         R"("},{"id":2,"status":")" + second + R"("}]})",
                     {}});
    return f.run({"publish", "--wait", "1ms", "a.b", "--data", "{}", "--id", "e1"}).exit;
  };
  CHECK(outcome("succeeded", "succeeded") == 0);
  CHECK(outcome("succeeded", "failed") == 7);
  CHECK(outcome("cancelled", "pending") == 7);
  CHECK(outcome("succeeded", "in_flight") == 8);
}

TEST_CASE("a bare --wait does not take the next word for a duration") {
  DeliveryFixture f;
  f.server.answer("POST /api/v1/events", {202, R"({"event_id":"e1","deliveries":1})", {}});
  f.server.answer("GET /api/v1/admin/events/e1", {200, R"({"deliveries":[]})", {}});
  CHECK(f.run({"publish", "--wait", "a.b", "--data", "{}", "--id", "e1"}).exit == 0);
  CHECK(Json::parse(f.server.seen().front().body)["event_type"] == "a.b");
}

TEST_CASE("status shows what the daemon tells, and fails when a loop has stopped") {
  DeliveryFixture f;
  f.server.answer(
      "GET /api/v1/admin/status",
      {200, R"({"version":"9","store":{"free_bytes":7},"loops":[{"alive":true}]})", {}});
  const Ran ran = f.run({"status"});
  CHECK(ran.exit == 0);
  CHECK(contains(ran.out, "store.free_bytes\t7\nloops.0.alive\ttrue\n"));
  f.server.answer("GET /api/v1/admin/status", {200, R"({"loops":[{"alive":false}]})", {}});
  CHECK(f.run({"status"}).exit == 1);
}

TEST_CASE("status --wait waits for readiness, and gives up with 8") {
  DeliveryFixture f;
  f.server.answer("GET /api/v1/admin/status", {200, "{}", {}});
  CHECK(f.run({"status", "--wait", "1ms"}).exit == 8);
  f.server.answer("GET /readyz", {200, "{}", {}});
  CHECK(f.run({"status", "--wait"}).exit == 0);
  CHECK(run_program({"--socket", "/nonexistent", "status", "--wait", "1ms"}).exit == 8);
}

TEST_CASE("token create prints the token alone on stdout") {
  DeliveryFixture f;
  f.server.answer("POST /api/v1/admin/tokens",
                  {200, R"({"token":"a.b.c","expires_at":"2026-11-23T09:00:00.000Z"})", {}});
  const Ran ran = f.run({"token", "create", "--role", "tenant_admin", "--tenant", "t", "--scope",
                         "webhooks:read", "--scope", "webhooks:write", "--ttl", "1h"});
  CHECK(ran.out == "a.b.c\n");
  CHECK(contains(ran.err, "2026-11-23T09:00:00.000Z"));
  CHECK(Json::parse(f.server.seen().back().body) ==
        Json::parse(R"({"role":"tenant_admin","tenant_id":"t",
                        "scope":"webhooks:read webhooks:write","ttl_seconds":3600})"));
}
