#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::seconds;

std::vector<std::string> names_of(const WebhookPage& page) {
  std::vector<std::string> names;
  for (const Webhook& webhook : page.items) names.push_back(webhook.settings.name);
  return names;
}

using Names = std::vector<std::string>;

WebhookSettings full_settings() {
  WebhookSettings settings = settings_for("full");
  settings.description = "what it is for";
  settings.events = {"user.created", "group.*"};
  settings.status = WebhookStatus::paused;
  settings.binding = {"tnt_1", "prt_1"};
  settings.headers = {{"Authorization", "Bearer s3cret"}, {"X-Team", "näher"}};
  settings.timeout = seconds{20};
  settings.retry_schedule = {seconds{1}, seconds{60}};
  settings.max_in_flight = 4;
  settings.rate_limit_per_second = 0.5;
  settings.ordered = true;
  settings.metadata = {{"a", "1"}, {"b", ""}};
  settings.expires_at = kStart + seconds{3600};
  return settings;
}

TEST_CASE("a webhook comes back as it was created, also after a restart") {
  StoreFixture f;
  const Webhook made = f.add(full_settings());
  CHECK(made.settings == full_settings());
  CHECK(made.secret_hint == secret_hint(Secret{kSecretText}));
  CHECK(made.secret_fingerprint == secret_fingerprint(made.id.value, Secret{kSecretText}));
  CHECK(made.created_at == f.now);
  CHECK(made.updated_at == f.now);
  CHECK(made.backlog == 0);
  f.restart();
  const Webhook found = f.found(made.id);
  CHECK(found.settings == full_settings());
  CHECK(found.created_at == kStart);
  CHECK(found.secret_fingerprint == made.secret_fingerprint);
}

TEST_CASE("unset values stay apart from empty ones") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.description = "";
  settings.retry_schedule.emplace();
  CHECK(f.found(f.add(settings).id).settings == settings);
  CHECK(f.found(f.add("b").id).settings == settings_for("b"));
}

TEST_CASE("a name is taken within its tenant and partner only, until its webhook is deleted") {
  StoreFixture f;
  const Webhook first = f.add("a");
  WebhookSettings settings = settings_for("a");
  const auto again =
      f.store().create_webhook({webhook_id(50), settings, Secret{kSecretText}}, f.context());
  CHECK(std::get<WebhookFault>(again) == WebhookFault::name_taken);
  CHECK_FALSE(f.store().find_webhook(webhook_id(50)));
  settings.binding.tenant_id = "tnt_1";
  f.add(settings);
  settings.binding.partner_id = "prt_1";
  f.add(settings);
  settings.binding.tenant_id.reset();
  const Webhook other = f.add(settings);
  const auto moved = f.store().update_webhook(
      other.id, [](WebhookSettings& s) { s.binding = {}; }, f.context());
  CHECK(std::get<WebhookFault>(moved) == WebhookFault::name_taken);
  f.store().delete_webhook(first.id, f.context());
  f.add("a");
}

TEST_CASE("an update changes what it changes and nothing else") {
  StoreFixture f;
  const Webhook made = f.add(full_settings());
  f.now += seconds{10};
  const Webhook changed = f.change(made.id, [](WebhookSettings& s) {
    CHECK(s == full_settings());
    s.url = "https://other.example/";
    s.description.reset();
  });
  WebhookSettings expected = full_settings();
  expected.url = "https://other.example/";
  expected.description.reset();
  CHECK(changed.settings == expected);
  CHECK(changed.updated_at == f.now);
  CHECK(changed.created_at == kStart);
  CHECK(f.found(made.id).settings == expected);
}

TEST_CASE("what an update's change throws comes out and nothing is written") {
  StoreFixture f;
  const Webhook made = f.add("a");
  const auto change = [](WebhookSettings& settings) {
    settings.name = "b";
    throw std::runtime_error("refused");
  };
  CHECK_THROWS_WITH(f.store().update_webhook(made.id, change, f.context()), "refused");
  CHECK(f.found(made.id).settings == settings_for("a"));
  const auto none = f.store().update_webhook(
      webhook_id(77), [](WebhookSettings&) {}, f.context());
  CHECK(std::get<WebhookFault>(none) == WebhookFault::not_found);
}

TEST_CASE("disabling by an operator leaves a time and no reason; enabling clears what was left") {
  StoreFixture f;
  const Webhook made = f.add("a");
  EndpointHealth health;
  health.consecutive_failures = 9;
  health.failing_since = f.now;
  health.next_probe_at = f.now;
  health.held_until = f.now;
  health.last_failure_at = f.now;
  QueueTurn turn;
  turn.health.push_back({made.id, health});
  f.store().queue_turn(turn, f.now);
  const auto disable = [](WebhookSettings& s) { s.status = WebhookStatus::disabled; };
  const Webhook disabled = f.change(made.id, disable);
  CHECK(disabled.disabled_at == f.now);
  CHECK_FALSE(disabled.disabled_reason);
  const Webhook enabled =
      f.change(made.id, [](WebhookSettings& s) { s.status = WebhookStatus::paused; });
  CHECK_FALSE(enabled.disabled_at);
  CHECK(enabled.health.consecutive_failures == 0);
  CHECK_FALSE(enabled.health.failing_since);
  CHECK_FALSE(enabled.health.next_probe_at);
  CHECK_FALSE(enabled.health.held_until);
  CHECK(enabled.health.last_failure_at == f.now);
}

TEST_CASE("a pause keeps what waits, and changing a schedule counts for later events only") {
  StoreFixture f;
  const Webhook made = f.add("a");
  f.publish_many(2);
  const Webhook paused = f.change(made.id, [](WebhookSettings& s) {
    s.status = WebhookStatus::paused;
    s.retry_schedule = {seconds{1}};
  });
  CHECK(paused.backlog == 2);
  f.publish_many(1);
  CHECK(f.found(made.id).backlog == 3);
  CHECK(f.delivery(DeliveryId{1}).max_attempts == 3);
  CHECK(f.delivery(DeliveryId{3}).max_attempts == 2);
}

TEST_CASE("a deleted webhook is gone at once for every method, its rows go by and by") {
  StoreFixture f;
  const Webhook made = f.add("a");
  f.publish_many(3);
  f.deliver(made.id, DeliveryStatus::succeeded);
  const Claim claim = f.claim(made.id, 1);
  CHECK(f.store().delete_webhook(made.id, f.context()));
  CHECK_FALSE(f.store().delete_webhook(made.id, f.context()));

  const auto check_gone = [&] {
    CHECK_FALSE(f.store().find_webhook(made.id));
    CHECK(f.store().list_webhooks({}, {}).total == 0);
    CHECK_FALSE(f.store().endpoint(made.id));
    CHECK_FALSE(f.store().find_delivery(DeliveryId{1}));
    CHECK_FALSE(f.store().delivery_detail(DeliveryId{1}));
    CHECK(f.list(made.id).total == 0);
    CHECK(f.store().list_deliveries({}, {}).items.empty());
    CHECK(f.store().list_deliveries({}, {}).total == 0);
    CHECK_FALSE(f.store().stats(made.id, std::chrono::hours{1}, f.now));
    CHECK(f.store().status().backlog == 0);
    CHECK(f.claim(made.id).deliveries.empty());
    CHECK(f.publish(event_of("after_" + std::to_string(unix_millis(f.now)))).events[0].deliveries ==
          0);
    const Event event = f.store().find_events("evt_1").at(0);
    CHECK(f.store().deliveries_of(event).empty());
  };
  check_gone();
  CHECK_NOTHROW(f.finish(made.id, claim.deliveries.front(), DeliveryStatus::succeeded));
  f.tidy();
  f.now += seconds{1};
  check_gone();
}

TEST_CASE("rotation keeps the old secret for its grace, and none before it") {
  StoreFixture f;
  const Webhook made = f.add("a");
  const Secret second{kOtherSecretText};
  const Secret third{"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
  CHECK(f.store().rotate_secret(made.id, second, seconds{600}, f.context()) ==
        f.now + seconds{600});
  CHECK(f.found(made.id).secret_hint == secret_hint(second));
  CHECK(f.found(made.id).secret_fingerprint == secret_fingerprint(made.id.value, second));
  f.store().rotate_secret(made.id, third, seconds{60}, f.context());
  auto endpoint = f.store().endpoint(made.id);
  CHECK(endpoint->secret == third);
  CHECK(endpoint->previous_secret == second);
  CHECK(f.store().rotate_secret(made.id, second, seconds{0}, f.context()) == f.now);
  endpoint = f.store().endpoint(made.id);
  CHECK(endpoint->secret == second);
  CHECK_FALSE(endpoint->previous_secret);
  CHECK_FALSE(endpoint->previous_secret_expires_at);
  CHECK_FALSE(f.store().rotate_secret(webhook_id(77), second, seconds{0}, f.context()));
}

TEST_CASE("webhooks are listed oldest first in pages with an exact total") {
  StoreFixture f;
  for (const char* name : {"c", "a", "e", "b", "d"}) f.add(name);
  const WebhookPage first = f.store().list_webhooks({}, {1, 2});
  CHECK(names_of(first) == Names{"c", "a"});
  CHECK(first.total == 5);
  CHECK(names_of(f.store().list_webhooks({}, {3, 2})) == Names{"d"});
  CHECK(f.store().list_webhooks({}, {9, 2}).items.empty());
  CHECK(f.store().list_webhooks({}, {9, 2}).total == 5);
}

TEST_CASE("each filter of the webhook list narrows it, and all of them together") {
  StoreFixture f;
  WebhookSettings one = settings_for("one");
  one.binding = {"tnt_1", std::nullopt};
  one.description = "Billing %_";
  WebhookSettings two = settings_for("two");
  two.binding = {"tnt_1", "prt_1"};
  two.status = WebhookStatus::paused;
  two.events = {"group.created"};
  f.add(one);
  const Webhook second = f.add(two);
  f.add("three");
  const auto listed = [&](const WebhookFilter& filter) {
    const WebhookPage page = f.store().list_webhooks(filter, {});
    CHECK(page.total == static_cast<std::int64_t>(page.items.size()));
    return names_of(page);
  };
  WebhookFilter filter;
  filter.tenant_id = "tnt_1";
  CHECK(listed(filter) == Names{"one", "two"});
  filter.partner_id = "prt_1";
  CHECK(listed(filter) == Names{"two"});
  filter = {};
  filter.status = WebhookStatus::active;
  CHECK(listed(filter) == Names{"one", "three"});
  filter = {};
  filter.event_type = "group.created";
  CHECK(listed(filter) == Names{"two"});
  filter = {};
  filter.name = "three";
  CHECK(listed(filter) == Names{"three"});
  filter = {};
  filter.text = "bILLing %_";
  CHECK(listed(filter) == Names{"one"});
  filter.text = "THREE.example";
  CHECK(listed(filter) == Names{"three"});
  filter.text = second.id.value.substr(4);
  CHECK(listed(filter) == Names{"two"});
  filter.tenant_id = "tnt_2";
  CHECK(listed(filter).empty());
  filter = {};
  filter.partner_id = "";  // has none
  CHECK(listed(filter) == Names{"one", "three"});
  filter.tenant_id = "";
  CHECK(listed(filter) == Names{"three"});
}

TEST_CASE("a lease that ended deletes its webhook and says which") {
  StoreFixture f;
  WebhookSettings settings = settings_for("leased");
  settings.expires_at = f.now + seconds{60};
  const Webhook leased = f.add(settings);
  const Webhook kept = f.add("kept");
  CHECK(f.tidy().empty());
  f.now += seconds{60};
  CHECK(f.tidy() == std::vector<WebhookId>{leased.id});
  CHECK_FALSE(f.store().find_webhook(leased.id));
  CHECK(f.store().find_webhook(kept.id));
  CHECK(f.store().audit(std::nullopt, 1).at(0).actor == "daemon");
}

TEST_CASE("a renewed lease lives on") {
  StoreFixture f;
  WebhookSettings settings = settings_for("leased");
  settings.expires_at = f.now + seconds{60};
  const Webhook leased = f.add(settings);
  f.change(leased.id, [&](WebhookSettings& s) { s.expires_at = f.now + seconds{120}; });
  f.now += seconds{60};
  CHECK(f.tidy().empty());
}

TEST_CASE("every change leaves a row in the audit log, newest first, without secrets") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.headers = {{"X-Plain", "value-of-a-header"}};
  const Webhook made = f.add(settings);
  f.change(made.id, [](WebhookSettings& s) {
    s.name = "b";
    s.headers = {{"X-Plain", "another-value"}};
  });
  f.store().rotate_secret(made.id, Secret{kOtherSecretText}, seconds{5}, f.context());
  f.publish_many(1);
  f.store().cancel_delivery(made.id, DeliveryId{1}, f.context());
  f.store().retry_delivery(made.id, DeliveryId{1}, RetrySucceeded::refuse, f.context());
  f.store().begin_test(made.id, event_of("t", "webhook.test"), f.context());
  QueueTurn turn;
  turn.disable.push_back({made.id, "gone", "evt_own"});
  f.store().queue_turn(turn, f.now);
  f.store().add_event_type({"ours.made", std::nullopt, std::nullopt, std::nullopt, false},
                           f.context());
  f.store().remove_event_type("ours.made", f.context());
  f.store().delete_webhook(made.id, f.context());

  const auto entries = f.store().audit(std::nullopt, 100);
  Names actions;
  for (const AuditEntry& entry : entries) {
    actions.push_back(entry.action);
    CHECK(entry.at == f.now);
    CHECK(entry.detail.find("whsec_") == std::string::npos);
    CHECK(entry.detail.find("value") == std::string::npos);
  }
  CHECK(actions == Names{"webhook.delete", "event_type.remove", "event_type.add", "webhook.disable",
                         "delivery.test", "delivery.retry", "delivery.cancel",
                         "webhook.rotate_secret", "webhook.update", "webhook.create"});
  const AuditEntry& update = entries.at(8);
  CHECK(update.actor == "user:alice");
  CHECK(update.remote == "127.0.0.1");
  CHECK(update.request_id == "req-1");
  CHECK(update.webhook_id == made.id);
  CHECK(update.detail.find(R"("name":{"from":"a","to":"b"})") != std::string::npos);
  CHECK(update.detail.find("headers") != std::string::npos);
  CHECK(entries.at(3).actor == "daemon");
  const auto older = f.store().audit(entries.at(8).id, 100);
  REQUIRE(older.size() == 1);
  CHECK(older.front().action == "webhook.create");
  CHECK(f.store().audit(std::nullopt, 2).size() == 2);
}

TEST_CASE("what changes nothing in the store has a row in the audit log all the same") {
  StoreFixture f;
  f.store().add_audit("token.create", R"({"role":"super_admin"})", f.context());
  f.restart();
  const auto entries = f.store().audit(std::nullopt, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].action == "token.create");
  CHECK(entries[0].detail == R"({"role":"super_admin"})");
  CHECK(entries[0].actor == "user:alice");
  CHECK(entries[0].request_id == "req-1");
  CHECK_FALSE(entries[0].webhook_id);
}

TEST_CASE("an update that changes nothing leaves no trace") {
  StoreFixture f;
  const Webhook made = f.add("a");
  f.now += seconds{5};
  CHECK(f.change(made.id, [](WebhookSettings&) {}).updated_at == kStart);
  CHECK(f.store().audit(std::nullopt, 10).size() == 1);
}

}  // namespace
}  // namespace webhookd::test
