#include <algorithm>
#include <catch2/catch.hpp>
#include <future>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using Outcome = PublishedEvent::Outcome;

TEST_CASE("a published event is kept as it was given") {
  StoreFixture f;
  f.now += std::chrono::milliseconds{7};
  const NewEvent event = event_of("evt_a", "user.created", {"tnt_1", std::nullopt});
  const PublishResult result = f.publish(event);
  CHECK(result.stored);
  REQUIRE(result.events.size() == 1);
  CHECK(result.events[0].outcome == Outcome::accepted);
  CHECK(result.events[0].event_id == "evt_a");
  CHECK(result.events[0].event_type == "user.created");
  CHECK(result.events[0].deliveries == 0);
  CHECK(result.woken.empty());
  f.restart();
  const auto found = f.store().find_events("evt_a");
  REQUIRE(found.size() == 1);
  CHECK(found[0].event_type == "user.created");
  CHECK(found[0].binding == event.binding);
  CHECK(found[0].accepted_at == f.now);
  CHECK(found[0].body == event.body);
  CHECK(f.store().find_events("evt_b").empty());
}

TEST_CASE("events that are published without a wait end as others do") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  std::promise<PublishResult> first;
  f.store().publish_later(event_of("e1"), f.now, [&](const PublishResult& result, const auto&) {
    first.set_value(result);
  });
  const PublishResult accepted = first.get_future().get();
  CHECK(accepted.events.at(0).outcome == Outcome::accepted);
  CHECK(accepted.events.at(0).deliveries == 1);
  CHECK(accepted.woken == std::vector<WebhookId>{webhook.id});
  NewEvent rival = event_of("e1");
  rival.content_hash = std::string(32, 'r');
  std::promise<PublishResult> second;
  f.store().publish_later(rival, f.now, [&](const PublishResult& result, const auto& failure) {
    if (failure) return second.set_exception(failure);
    second.set_value(result);
  });
  const PublishResult refused = second.get_future().get();
  CHECK_FALSE(refused.stored);
  CHECK(refused.events.at(0).outcome == Outcome::conflict);
  f.restart();
  CHECK(f.found(webhook.id).backlog == 1);
}

TEST_CASE("each webhook that matches gets one delivery, due now, and is woken once") {
  StoreFixture f;
  const Webhook exact = f.add([] {
    WebhookSettings settings = settings_for("exact");
    settings.events = {"user.created", "user.*"};
    return settings;
  }());
  WebhookSettings other = settings_for("other");
  other.events = {"group.*"};
  f.add(other);
  const std::vector<NewEvent> events{event_of("e1"), event_of("e2"), event_of("e3", "auth.x")};
  const PublishResult result = f.store().publish(events, f.now);
  CHECK(result.events[0].deliveries == 1);
  CHECK(result.events[1].deliveries == 1);
  CHECK(result.events[2].deliveries == 0);
  CHECK(result.woken == std::vector<WebhookId>{exact.id});
  const Delivery delivery = f.delivery(DeliveryId{1});
  CHECK(delivery.webhook_id == exact.id);
  CHECK(delivery.event_id == "e1");
  CHECK(delivery.event_type == "user.created");
  CHECK(delivery.status == DeliveryStatus::pending);
  CHECK(delivery.next_attempt_at == f.now);
  CHECK(delivery.created_at == f.now);
  CHECK(delivery.attempt_count == 0);
  CHECK(f.found(exact.id).backlog == 2);
}

TEST_CASE("what a webhook's binding sets must equal the event's") {
  StoreFixture f;
  const std::optional<std::string> unset;
  const auto with = [&](const std::string& name, Binding binding) {
    WebhookSettings settings = settings_for(name);
    settings.binding = std::move(binding);
    return f.add(settings).id;
  };
  const WebhookId all = with("all", {});
  const WebhookId tenant = with("tenant", {"t", unset});
  const WebhookId partner = with("partner", {unset, "p"});
  const WebhookId both = with("both", {"t", "p"});
  with("elsewhere", {"u", "q"});
  const auto woken = [&](const std::string& id, Binding binding) {
    auto ids = f.publish(event_of(id, "user.created", std::move(binding))).woken;
    std::ranges::sort(ids);
    return ids;
  };
  using Woken = std::vector<WebhookId>;
  CHECK(woken("1", {}) == Woken{all});
  CHECK(woken("2", {"t", unset}) == Woken{all, tenant});
  CHECK(woken("3", {unset, "p"}) == Woken{all, partner});
  CHECK(woken("4", {"t", "p"}) == Woken{all, tenant, partner, both});
  CHECK(woken("5", {"t", "x"}) == Woken{all, tenant});
}

TEST_CASE("a paused webhook gets its deliveries without being woken, a disabled one gets none") {
  StoreFixture f;
  WebhookSettings paused = settings_for("paused");
  paused.status = WebhookStatus::paused;
  WebhookSettings disabled = settings_for("disabled");
  disabled.status = WebhookStatus::disabled;
  const Webhook waiting = f.add(paused);
  CHECK(f.add(disabled).disabled_at == f.now);
  const PublishResult result = f.publish(event_of("e"));
  CHECK(result.events[0].deliveries == 1);
  CHECK(result.woken.empty());
  CHECK(f.found(waiting.id).backlog == 1);
}

TEST_CASE("matching follows every change of a webhook") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  const auto deliveries = [&](const std::string& id) {
    return f.publish(event_of(id)).events[0].deliveries;
  };
  CHECK(deliveries("1") == 1);
  f.change(webhook.id, [](WebhookSettings& s) { s.events = {"group.*"}; });
  CHECK(deliveries("2") == 0);
  f.change(webhook.id, [](WebhookSettings& s) { s.events = {"*"}; });
  CHECK(deliveries("3") == 1);
  f.change(webhook.id, [](WebhookSettings& s) { s.binding.tenant_id = "t"; });
  CHECK(deliveries("4") == 0);
  f.change(webhook.id, [](WebhookSettings& s) { s.binding.tenant_id.reset(); });
  CHECK(deliveries("5") == 1);
  const auto refused = [](WebhookSettings& s) {
    s.events = {"group.*"};
    throw std::runtime_error("no");
  };
  CHECK_THROWS(f.store().update_webhook(webhook.id, refused, f.context()));
  CHECK(deliveries("6") == 1);
  f.restart();
  CHECK(deliveries("7") == 1);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  CHECK(deliveries("8") == 0);
}

TEST_CASE("the same event again is a duplicate with the stored count and makes nothing new") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish(event_of("e"));
  f.change(webhook.id, [](WebhookSettings& s) { s.events = {"group.*"}; });
  const PublishResult again = f.publish(event_of("e"));
  CHECK(again.stored);
  CHECK(again.events[0].outcome == Outcome::duplicate);
  CHECK(again.events[0].deliveries == 1);
  CHECK(again.woken.empty());
  CHECK(f.found(webhook.id).backlog == 1);
}

TEST_CASE("one conflicting event stores nothing of the whole call") {
  StoreFixture f;
  f.add("a");
  f.publish(event_of("old"));
  NewEvent changed = event_of("old");
  changed.content_hash = std::string(32, 'x');
  const std::vector<NewEvent> events{event_of("new"), changed};
  const PublishResult result = f.store().publish(events, f.now);
  CHECK_FALSE(result.stored);
  CHECK(result.events[0].outcome == Outcome::accepted);
  CHECK(result.events[1].outcome == Outcome::conflict);
  CHECK(result.woken.empty());
  CHECK(f.store().find_events("new").empty());
  CHECK(f.store().status().backlog == 1);
}

TEST_CASE("duplicates and conflicts among the events of one call are found") {
  StoreFixture f;
  f.add("a");
  std::vector<NewEvent> events{event_of("e"), event_of("e")};
  const PublishResult twice = f.store().publish(events, f.now);
  CHECK(twice.stored);
  CHECK(twice.events[0].outcome == Outcome::accepted);
  CHECK(twice.events[1].outcome == Outcome::duplicate);
  CHECK(twice.events[1].deliveries == 1);
  CHECK(f.store().status().backlog == 1);
  events = {event_of("f"), event_of("f")};
  events[1].content_hash = std::string(32, 'x');
  CHECK_FALSE(f.store().publish(events, f.now).stored);
  CHECK(f.store().find_events("f").empty());
}

TEST_CASE("an event id is unique within its tenant and partner") {
  StoreFixture f;
  f.publish(event_of("e"));
  CHECK(f.publish(event_of("e", "user.created", {"t", std::nullopt})).events[0].outcome ==
        Outcome::accepted);
  CHECK(f.publish(event_of("e", "user.created", {std::nullopt, "t"})).events[0].outcome ==
        Outcome::accepted);
  CHECK(f.store().find_events("e").size() == 3);
}

TEST_CASE("the deliveries of an event are listed oldest first") {
  StoreFixture f;
  const Webhook first = f.add("a");
  const Webhook second = f.add("b");
  f.publish(event_of("e"));
  f.publish(event_of("other"));
  const auto deliveries = f.store().deliveries_of(f.store().find_events("e").at(0));
  REQUIRE(deliveries.size() == 2);
  CHECK(deliveries[0].webhook_id == first.id);
  CHECK(deliveries[1].webhook_id == second.id);
  CHECK(deliveries[0].id < deliveries[1].id);
}

TEST_CASE("the catalogue holds the built-in types by name, with what they are about") {
  StoreFixture f;
  const auto types = f.store().event_types();
  CHECK(types.size() == 34);
  CHECK(std::ranges::is_sorted(types, {}, &EventType::name));
  const auto found = std::ranges::find(types, "user.mfa_enabled", &EventType::name);
  REQUIRE(found != types.end());
  CHECK(found->built_in);
  CHECK(found->resource_type == "user");
  CHECK(found->description);
}

TEST_CASE("a type can be added, added again with the same meaning only, and removed") {
  StoreFixture f;
  const EventType type{"ours.made", "Ours.", "thing", R"({"type":"object"})", false};
  CHECK(f.store().add_event_type(type, f.context()));
  CHECK(f.store().add_event_type(type, f.context()));
  EventType other = type;
  other.schema.reset();
  CHECK_FALSE(f.store().add_event_type(other, f.context()));
  f.restart();
  const auto types = f.store().event_types();
  const auto found = std::ranges::find(types, "ours.made", &EventType::name);
  REQUIRE(found != types.end());
  CHECK(found->schema == type.schema);
  CHECK_FALSE(found->built_in);
  CHECK(f.store().remove_event_type("ours.made", f.context()));
  CHECK_FALSE(f.store().remove_event_type("ours.made", f.context()));
}

TEST_CASE("built-in types can be neither added nor removed") {
  StoreFixture f;
  EventType type = f.store().event_types().at(0);
  CHECK_FALSE(f.store().add_event_type(type, f.context()));
  CHECK_FALSE(f.store().remove_event_type(type.name, f.context()));
}

}  // namespace
}  // namespace webhookd::test
