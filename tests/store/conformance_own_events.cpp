// webhook.disabled and webhook.recovered: what a turn publishes.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::seconds;
using Json = nlohmann::json;

WebhookSettings watcher(const std::string& name, Binding binding = {}) {
  WebhookSettings settings = settings_for(name);
  settings.events = {"webhook.*"};
  settings.binding = std::move(binding);
  return settings;
}

QueueTurn disabling(const WebhookId& id, const std::string& event_id = "evt_own") {
  QueueTurn turn;
  turn.disable.push_back({id, "it answered 410", event_id});
  return turn;
}

QueueTurn recovery(const WebhookId& id, Timestamp now, const std::string& event_id = "evt_own") {
  QueueTurn turn;
  turn.recovered.push_back({id, event_id, 7, now - seconds{60}, now});
  return turn;
}

Json only_event(StoreFixture& f, const std::string& id = "evt_own") {
  const auto events = f.store().find_events(id);
  REQUIRE(events.size() == 1);
  return Json::parse(events.front().body);
}

TEST_CASE("a disabling publishes webhook.disabled to those who want it, and wakes them") {
  StoreFixture f;
  WebhookSettings settings = settings_for("failing");
  settings.url = "https://example.com/hook?token=hush";
  const Webhook failing = f.add(settings);
  const Webhook wants = f.add(watcher("wants"));
  EndpointHealth health;
  health.consecutive_failures = 12;
  health.failing_since = f.now - seconds{100};
  QueueTurn turn = disabling(failing.id);
  turn.health.push_back({failing.id, health});
  CHECK(f.store().queue_turn(turn, f.now).woken == std::vector<WebhookId>{wants.id});

  const Claim claim = f.claim(wants.id);
  REQUIRE(claim.deliveries.size() == 1);
  CHECK(claim.deliveries.front().event_type == "webhook.disabled");
  CHECK(claim.deliveries.front().event_id == "evt_own");
  CHECK(claim.deliveries.front().body ==
        R"({"actor":{"id":"webhookd","type":"daemon"},"data":{"consecutive_failures":12,)"
        R"("disabled_at":")" +
            format_rfc3339(f.now) + R"(","failing_since":")" +
            format_rfc3339(f.now - seconds{100}) +
            R"(","name":"failing","reason":"it answered 410","url":"https://example.com/hook",)"
            R"("webhook_id":")" +
            failing.id.value +
            R"("},"event_id":"evt_own","event_type":"webhook.disabled","resource":{"id":")" +
            failing.id.value + R"(","type":"webhook"},"timestamp":")" + format_rfc3339(f.now) +
            R"("})");
}

TEST_CASE("a recovery publishes webhook.recovered to those who want it, and wakes them") {
  StoreFixture f;
  const Webhook recovered = f.add("recovered");
  const Webhook wants = f.add(watcher("wants"));
  const auto given = f.store().queue_turn(recovery(recovered.id, f.now), f.now);
  CHECK(given.woken == std::vector<WebhookId>{wants.id});
  const Json body = only_event(f);
  CHECK(body.at("event_type") == "webhook.recovered");
  CHECK(body.at("resource") == Json({{"type", "webhook"}, {"id", recovered.id.value}}));
  CHECK(body.at("data") == Json({{"webhook_id", recovered.id.value},
                                 {"name", "recovered"},
                                 {"url", recovered.settings.url},
                                 {"consecutive_failures", 7},
                                 {"failing_since", format_rfc3339(f.now - seconds{60})},
                                 {"recovered_at", format_rfc3339(f.now)}}));
  CHECK(f.claim(wants.id).deliveries.size() == 1);
}

TEST_CASE("an event about a webhook is its tenant's and partner's") {
  StoreFixture f;
  const Binding mine{"tnt_a", "prt_a"};
  WebhookSettings settings = settings_for("failing");
  settings.binding = mine;
  const Webhook failing = f.add(settings);
  const Webhook same = f.add(watcher("same", mine));
  const Webhook all = f.add(watcher("all"));
  const Webhook other = f.add(watcher("other", {"tnt_b", "prt_a"}));
  f.store().queue_turn(disabling(failing.id), f.now);
  const Json body = only_event(f);
  CHECK(body.at("tenant_id") == "tnt_a");
  CHECK(body.at("partner_id") == "prt_a");
  CHECK(f.store().find_events("evt_own").front().binding == mine);
  CHECK(f.found(same.id).backlog == 1);
  CHECK(f.found(all.id).backlog == 1);
  CHECK(f.found(other.id).backlog == 0);
}

TEST_CASE("a webhook gets no event about itself") {
  StoreFixture f;
  const Webhook loud = f.add(watcher("loud"));
  CHECK(f.store().queue_turn(recovery(loud.id, f.now), f.now).woken.empty());
  CHECK(f.found(loud.id).backlog == 0);
  const auto events = f.store().find_events("evt_own");
  REQUIRE(events.size() == 1);
  CHECK(f.store().deliveries_of(events.front()).empty());
}

TEST_CASE("a turn that is handed in twice publishes once") {
  StoreFixture f;
  const Webhook failing = f.add("failing");
  const Webhook wants = f.add(watcher("wants"));
  f.store().queue_turn(recovery(failing.id, f.now), f.now);
  f.store().queue_turn(recovery(failing.id, f.now), f.now);
  CHECK(f.found(wants.id).backlog == 1);
  f.store().queue_turn(disabling(failing.id, "evt_first"), f.now);
  CHECK(f.store().queue_turn(disabling(failing.id, "evt_second"), f.now).woken.empty());
  CHECK(f.found(wants.id).backlog == 2);
  CHECK(f.store().find_events("evt_second").empty());
}

TEST_CASE("what was published about a webhook is there after a restart") {
  StoreFixture f;
  const Webhook failing = f.add("failing");
  const Webhook wants = f.add(watcher("wants"));
  f.store().queue_turn(disabling(failing.id), f.now);
  f.restart();
  CHECK(f.found(failing.id).settings.status == WebhookStatus::disabled);
  CHECK(f.claim(wants.id).deliveries.size() == 1);
}

TEST_CASE("a webhook that is made later gets what was published about another by a replay") {
  StoreFixture f;
  const Webhook failing = f.add("failing");
  f.store().queue_turn(disabling(failing.id), f.now);
  const Webhook later = f.add(watcher("later"));
  ReplayBatch batch;
  batch.webhook = later.id;
  batch.since = f.now;
  CHECK(f.store().replay_events(batch, {}, f.context()).sum.changed == 1);
  CHECK(f.claim(later.id).deliveries.front().event_id == "evt_own");
}

TEST_CASE("an operator's disabling publishes nothing, and neither does a webhook that is gone") {
  StoreFixture f;
  const Webhook first = f.add("first");
  const Webhook second = f.add("second");
  const Webhook wants = f.add(watcher("wants"));
  f.change(first.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  f.store().queue_turn(recovery(first.id, f.now), f.now);
  f.store().delete_webhook(second.id, f.context());
  f.store().queue_turn(recovery(second.id, f.now, "evt_two"), f.now);
  f.store().queue_turn(disabling(second.id, "evt_three"), f.now);
  CHECK(f.found(wants.id).backlog == 0);
}

TEST_CASE("health from before a disabling does not come back once the webhook is enabled again") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  EndpointHealth failing;
  failing.consecutive_failures = 12;
  failing.failing_since = f.now;
  failing.failing_for = seconds{500};
  f.store().queue_turn(disabling(webhook.id), f.now);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  QueueTurn late;
  late.health.push_back({webhook.id, failing, 0});
  f.store().queue_turn(late, f.now);
  CHECK(f.found(webhook.id).health == EndpointHealth{});

  QueueTurn now;
  now.health.push_back({webhook.id, failing, f.store().endpoint(webhook.id)->kept_from});
  f.store().queue_turn(now, f.now);
  CHECK(f.found(webhook.id).health == failing);
}

}  // namespace
}  // namespace webhookd::test
