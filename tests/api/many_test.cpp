// Retry, cancel and replay of many deliveries: what they take, how far they go, and that others do
// not wait for them.

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

using std::chrono::seconds;

const std::string kLongAgo = R"({"since":"2020-01-01T00:00:00Z")";

struct ManyApi : ApiFixture {
  explicit ManyApi(const std::string& status = "active") {
    Json body = webhook_body();
    body["status"] = status;
    id = create(body);
    url = kWebhooks + "/" + id;
  }

  void publish(int count, int batch = 500) {
    for (int made = 0; made < count;) {
      std::vector<NewEvent> events;
      for (int i = 0; i < batch && made < count; ++i, ++made) {
        const std::string event_id = "evt_" + std::to_string(++events_);
        events.push_back({event_id, "user.created", {}, "{}", std::string(32, 'h')});
      }
      REQUIRE(store->publish(events, clock.now()).stored);
    }
  }
  // So many deliveries that ended with 500.
  void fail(int count) {
    publish(count);
    QueueTurn turn;
    turn.claims.push_back({WebhookId{id}, count, Claimable::any});
    const QueueTurnResult claimed = store->queue_turn(turn, clock.now());
    turn = {};
    for (const ClaimedDelivery& one : claimed.claims.at(0).deliveries) {
      Attempt attempt;
      attempt.started_at = clock.now();
      attempt.response_status = 500;
      attempt.error = DeliveryError{ErrorKind::http_status, "500"};
      turn.results.push_back({one.id, WebhookId{id}, attempt, DeliveryStatus::failed});
    }
    store->queue_turn(turn, clock.now());
  }
  Reply post(const std::string& what, const std::string& body) {
    return send("POST", url + "/" + what, body);
  }
  std::int64_t total(const std::string& status) {
    return send("GET", url + "/deliveries?status=" + status).json.at("total");
  }

  std::string id;
  std::string url;

 private:
  int events_ = 0;
};

Json counts(std::int64_t matched, const char* name, std::int64_t changed, std::int64_t skipped) {
  return {
      {"matched", matched}, {name, changed}, {"skipped", skipped}, {"next_cursor", Json(nullptr)}};
}

}  // namespace

TEST_CASE("many are retried, cancelled and replayed, and the loop is told") {
  ManyApi api;
  api.fail(3);
  CHECK(api.post("deliveries/retry", R"({"dry_run":true})").json == counts(3, "retried", 3, 0));
  CHECK(api.dispatcher.notified.empty());
  CHECK(api.post("deliveries/retry", "{}").json == counts(3, "retried", 3, 0));
  CHECK(api.dispatcher.notified == std::vector{WebhookId{api.id}});
  CHECK(api.post("deliveries/retry", "{}").json == counts(0, "retried", 0, 0));
  CHECK(api.post("deliveries/cancel", R"({"response_status":"5xx"})").json ==
        counts(3, "cancelled", 3, 0));
  CHECK(api.post("replay", kLongAgo + R"(,"missed_only":true})").json ==
        counts(3, "created", 3, 0));
  CHECK(api.dispatcher.notified.size() == 3);
  CHECK(api.total("pending") == 3);
}

TEST_CASE("each page of many goes on where the one before ended") {
  ManyApi api;
  api.fail(5);
  Json body = {{"limit", 2}};
  std::vector<std::int64_t> matched;
  for (int page = 0; page < 3; ++page) {
    const Reply reply = api.post("deliveries/retry", body.dump());
    REQUIRE(reply.status == 200);
    matched.push_back(reply.json.at("matched"));
    body["cursor"] = reply.json.at("next_cursor");
  }
  CHECK(matched == std::vector<std::int64_t>{2, 2, 1});
  CHECK(body["cursor"].is_null());

  body = Json::parse(kLongAgo + R"(,"limit":3,"replay_id":"r"})");
  const Reply first = api.post("replay", body.dump());
  CHECK(first.json.at("created") == 3);
  api.publish(1);
  body["cursor"] = first.json.at("next_cursor");
  CHECK(api.post("replay", body.dump()).json == counts(2, "created", 2, 0));
  body.erase("cursor");
  body["limit"] = 10'000;
  CHECK(api.post("replay", body.dump()).json == counts(5, "created", 0, 5));
}

TEST_CASE("one call takes 1,000 unless it says more, and 10,000 at most") {
  ManyApi api("paused");
  api.publish(1200);
  Reply reply = api.post("deliveries/cancel", R"({"dry_run":true})");
  CHECK(reply.json.at("matched") == 1000);
  CHECK_FALSE(reply.json.at("next_cursor").is_null());
  CHECK(api.post("deliveries/cancel", R"({"dry_run":true,"limit":10000})").json ==
        counts(1200, "cancelled", 1200, 0));
  reply = api.post("deliveries/cancel", R"({"limit":10001})");
  CHECK(reply.fault_types() == std::vector<std::string>{"less_than_equal"});
}

TEST_CASE("all faults of a body for many are told at once, and nothing is done") {
  ManyApi api;
  api.fail(1);
  const std::string filter = R"({"status":"broken","event_type":1,"since":"2026-01-02T00:00:00Z",
    "until":"2026-01-01T00:00:00Z","response_status":500,"limit":0,"dry_run":"yes","cursor":"x",
    "replay_id":"r"})";
  for (const char* what : {"deliveries/retry", "deliveries/cancel"}) {
    const Reply reply = api.post(what, filter);
    CHECK(reply.status == 422);
    CHECK(reply.fault_types() == std::vector<std::string>{"literal_error", "string_type",
                                                          "string_type", "value_error",
                                                          "greater_than_equal", "bool_type",
                                                          "value_error", "extra_forbidden"});
  }
  const Reply reply =
      api.post("replay", R"({"missed_only":1,"replay_id":"a b","status":"failed"})");
  CHECK(reply.fault_types() ==
        std::vector<std::string>{"bool_type", "value_error", "missing", "extra_forbidden"});
  CHECK(api.post("deliveries/retry", R"({"response_status":"6xx"})").status == 422);
  CHECK(api.post("deliveries/retry", "").status == 422);
  CHECK(api.total("failed") == 1);
}

TEST_CASE("a cursor serves the kind of call that made it alone") {
  ManyApi api;
  api.fail(2);
  const Json of_retry =
      api.post("deliveries/retry", R"({"limit":1,"dry_run":true})").json.at("next_cursor");
  const Json of_replay =
      api.post("replay", kLongAgo + R"(,"limit":1,"dry_run":true})").json.at("next_cursor");
  const Json of_list = api.send("GET", api.url + "/deliveries?per_page=1").json.at("next_cursor");
  for (const Json& cursor : {of_replay, of_list}) {
    CHECK(api.post("deliveries/retry", Json{{"cursor", cursor}}.dump()).status == 422);
  }
  for (const Json& cursor : {of_retry, of_list}) {
    Json body = Json::parse(kLongAgo + "}");
    body["cursor"] = cursor;
    CHECK(api.post("replay", body.dump()).status == 422);
  }
}

TEST_CASE("many of a disabled webhook are 409 with what to do, but may be cancelled") {
  ManyApi api("disabled");
  for (const auto& [what, body] :
       {std::pair{"deliveries/retry", std::string("{}")}, std::pair{"replay", kLongAgo + "}"}}) {
    const Reply reply = api.post(what, body);
    CHECK(reply.status == 409);
    CHECK(reply.detail() == "The webhook is disabled: set its status to active first");
  }
  CHECK(api.post("deliveries/cancel", "{}").status == 200);
}

TEST_CASE("who was given a webhook changes nothing that is of the tenant before") {
  ApiFixture api;
  Json body = webhook_body();
  body["tenant_id"] = "old";
  body["status"] = "paused";
  const std::string url = kWebhooks + "/" + api.create(body);
  const auto publish = [&](const std::string& tenant) {
    const Json event = {
        {"event_type", "user.created"}, {"data", Json::object()}, {"tenant_id", tenant}};
    REQUIRE(api.send("POST", "/api/v1/events", event.dump()).status == 202);
  };
  publish("old");
  REQUIRE(api.send("PATCH", url, R"({"tenant_id":"new"})").status == 200);
  publish("new");
  const Caller now = api.bearer({{"role", "tenant_admin"}, {"tenant_id", "new"}});
  const Caller before = api.bearer({{"role", "tenant_admin"}, {"tenant_id", "old"}});
  const std::string cancelled = R"({"status":"cancelled"})";
  CHECK(api.send("POST", url + "/deliveries/retry", cancelled, now).json ==
        counts(0, "retried", 0, 0));
  CHECK(api.send("POST", url + "/deliveries/retry", cancelled).json == counts(1, "retried", 0, 1));
  CHECK(api.send("POST", url + "/replay", kLongAgo + "}", now).json == counts(1, "created", 1, 0));
  CHECK(api.send("POST", url + "/replay", kLongAgo + "}", before).status == 404);
}

// Time flies: two seconds each time that somebody looks.
class HastyClock final : public Clock {
 public:
  explicit HastyClock(const Clock& clock) : clock_(clock) {}
  Timestamp now() const override { return clock_.now(); }
  Monotonic monotonic() const override { return clock_.monotonic() + seconds{2} * ++looks_; }

 private:
  const Clock& clock_;
  mutable std::atomic<int> looks_{0};
};

TEST_CASE("a call for many answers after some seconds with what it did and where to go on") {
  ManyApi api("paused");
  api.publish(3000);
  const HastyClock clock(api.clock);
  ApiOptions options;
  options.token_key = api.folder / "token.key";
  api.handler = std::make_unique<Handler>(options, *api.store, api.dispatcher, clock, api.random);
  Json body = {{"limit", 10'000}};
  const Reply first = api.post("deliveries/cancel", body.dump());
  const std::int64_t done = first.json.at("cancelled");
  CHECK(done > 0);
  CHECK(done < 3000);
  CHECK(api.total("cancelled") == done);
  std::int64_t sum = done;
  body["cursor"] = first.json.at("next_cursor");
  for (int call = 0; call < 20 && !body["cursor"].is_null(); ++call) {
    const Reply next = api.post("deliveries/cancel", body.dump());
    sum += next.json.at("cancelled").get<std::int64_t>();
    body["cursor"] = next.json.at("next_cursor");
  }
  CHECK(sum == 3000);
}

TEST_CASE("publishing goes on while many deliveries are made") {
  ManyApi api("paused");
  api.publish(10'000);
  std::atomic<bool> is_running{true};
  Reply reply;
  std::thread replay([&] {
    reply = api.post("replay", kLongAgo + R"(,"limit":10000})");
    is_running = false;
  });
  // In one transaction of the whole, no more than one would get in.
  int published = 0;
  while (is_running && published < 20'000) {
    api.publish(1, 1);
    ++published;
  }
  replay.join();
  CHECK(reply.json.at("created") == 10'000);
  CHECK(published >= 10);
}

}  // namespace webhookd
