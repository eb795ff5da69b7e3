#include <algorithm>
#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::seconds;

const Binding kOne{"t1", std::nullopt};
const Binding kTwo{"t2", std::nullopt};

// Deliveries that wait for events of two tenants in turn: odd ids are of the first.
void publish_pairs(StoreFixture& f, int pairs) {
  std::vector<NewEvent> events;
  for (int made = 0; made < pairs; ++made) {
    const std::string number = std::to_string(made);
    events.push_back(event_of("one_" + number, "user.created", kOne));
    events.push_back(event_of("two_" + number, "user.created", kTwo));
  }
  REQUIRE(f.store().publish(events, f.now).stored);
}

void bind_to(StoreFixture& f, const WebhookId& id, const Binding& binding) {
  f.change(id, [&](WebhookSettings& s) { s.binding = binding; });
}

bool are_of_tenant_one(const Claim& claim) {
  return std::ranges::all_of(claim.deliveries, [](const ClaimedDelivery& delivery) {
    return delivery.event_id.rfind("one_", 0) == 0;
  });
}

TEST_CASE("a webhook that gets another tenant sends no more of the one before") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.binding = {"t1", std::nullopt};
  const Webhook webhook = f.add(settings);
  NewEvent event = event_of("e1");
  event.binding = {"t1", std::nullopt};
  f.publish(event);
  event = event_of("e2");
  event.binding = {"t1", std::nullopt};
  f.publish(event);
  const Claim claim = f.claim(webhook.id, 1);
  REQUIRE(claim.deliveries.size() == 1);
  f.store().update_webhook(
      webhook.id,
      [](WebhookSettings& s) {
        s.binding = {"t2", std::nullopt};
      },
      f.context());
  CHECK(f.delivery(DeliveryId{2}).status == kCancelled);
  f.finish(webhook.id, claim.deliveries.front(), kPending);
  CHECK(f.delivery(DeliveryId{1}).status == kCancelled);
  CHECK(f.claim(webhook.id).deliveries.empty());
  CHECK(f.store().retry_delivery(webhook.id, DeliveryId{1}, RetrySucceeded::allow, f.context()) ==
        RetryOutcome::foreign_event);
  CHECK(f.found(webhook.id).backlog == 0);
}

TEST_CASE("a webhook that is bound closer keeps what still matches") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  NewEvent event = event_of("e1");
  event.binding = {"t1", std::nullopt};
  f.publish(event);
  f.publish(event_of("e2"));
  f.store().update_webhook(
      webhook.id,
      [](WebhookSettings& s) {
        s.binding = {"t1", std::nullopt};
      },
      f.context());
  CHECK(f.delivery(DeliveryId{1}).status == kPending);
  CHECK(f.delivery(DeliveryId{2}).status == kCancelled);
}

TEST_CASE("a large backlog is sorted out behind a change of tenant, and nothing foreign is sent") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  publish_pairs(f, 5000);
  bind_to(f, webhook.id, kOne);
  const Claim early = f.claim(webhook.id, 10'000);
  CHECK(are_of_tenant_one(early));
  const auto changed = f.tidy();
  CHECK(std::ranges::count(changed, webhook.id) > 0);
  CHECK(f.list(webhook.id, kCancelled).total == 5000);
  const Claim late = f.claim(webhook.id, 10'000);
  CHECK(are_of_tenant_one(late));
  CHECK(early.deliveries.size() + late.deliveries.size() == 5000);
  CHECK(f.found(webhook.id).backlog == 5000);
  CHECK(f.tidy().empty());
}

TEST_CASE("an ordered webhook that gets another tenant keeps the order of what it keeps") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  publish_pairs(f, 4000);
  bind_to(f, webhook.id, kTwo);
  CHECK(f.claim(webhook.id, 1).deliveries.empty());
  CHECK(f.found(webhook.id).head_delivery_id == DeliveryId{2});
  CHECK(f.store().stats(webhook.id, std::chrono::hours{1}, f.now)->oldest_pending_at == f.now);
  f.publish(event_of("newest", "user.created", kTwo));
  std::vector<DeliveryId> delivered;
  for (int round = 0; round < 3; ++round) {
    const Claim claim = f.claim(webhook.id, 1);
    if (claim.deliveries.empty()) {
      f.tidy();
      continue;
    }
    delivered.push_back(claim.deliveries.front().id);
    f.finish(webhook.id, claim.deliveries.front(), kSucceeded);
  }
  CHECK(delivered == std::vector<DeliveryId>{DeliveryId{2}, DeliveryId{4}});
  CHECK(f.found(webhook.id).head_delivery_id == DeliveryId{6});
}

TEST_CASE("what is in flight at a change of tenant waits again only if its event still matches") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  publish_pairs(f, 2);
  const Claim claim = f.claim(webhook.id);
  REQUIRE(claim.deliveries.size() == 4);
  bind_to(f, webhook.id, kOne);
  f.finish(webhook.id, claim.deliveries.at(0), kPending, seconds{0});
  f.finish(webhook.id, claim.deliveries.at(1), kPending, seconds{0});
  QueueTurn turn;
  turn.released = {claim.deliveries.at(2).id, claim.deliveries.at(3).id};
  f.store().queue_turn(turn, f.now);
  f.tidy();
  CHECK(ids_of(f.list(webhook.id, kCancelled)) == Ids{4, 2});
  CHECK(ids_of(f.claim(webhook.id)) == Ids{1, 3});
}

TEST_CASE("a change of tenant brings nothing back that a disabling has cancelled") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  publish_pairs(f, 4000);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  f.publish(event_of("one_after", "user.created", kOne));
  f.publish(event_of("two_after", "user.created", kTwo));
  bind_to(f, webhook.id, kOne);
  f.tidy();
  CHECK(f.list(webhook.id, kCancelled).total == 8001);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{8001});
}

TEST_CASE("a retry by hand of what still matches keeps its place across a change of tenant") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  publish_pairs(f, 4000);
  bind_to(f, webhook.id, kOne);
  const auto retry = [&](std::int64_t id) {
    return f.store().retry_delivery(webhook.id, DeliveryId{id}, RetrySucceeded::refuse,
                                    f.context());
  };
  CHECK(retry(7999) == RetryOutcome::retried);
  CHECK(retry(8000) == RetryOutcome::foreign_event);
  const Claim by_hand = f.claim(webhook.id, 1, Claimable::manual_only);
  REQUIRE(ids_of(by_hand) == Ids{7999});
  f.finish(webhook.id, by_hand.deliveries.front(), kPending, seconds{0});
  f.tidy();
  // It waits behind the head as before.
  CHECK(f.deliver(webhook.id, kPending) == DeliveryId{1});
  CHECK(f.claim(webhook.id).deliveries.empty());
}

TEST_CASE("of a webhook that was handed over each tenant is shown and counted its own events") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.binding = kOne;
  const Webhook webhook = f.add(settings);
  publish_pairs(f, 3);
  bind_to(f, webhook.id, kTwo);
  publish_pairs(f, 8);  // five that are new
  DeliveryFilter filter;
  filter.webhook_id = webhook.id;
  CHECK(f.store().list_deliveries(filter, {}).total == 8);
  filter.events_visible_to = kTwo;
  const DeliveryPage first = f.store().list_deliveries(filter, {1, 4});
  CHECK(first.total == 5);
  CHECK(ids_of(first) == Ids{8, 7, 6, 5});
  CHECK(first.more);
  CHECK(ids_of(f.store().list_deliveries(filter, {2, 4})) == Ids{4});
  filter.visible_to = kTwo;
  filter.webhook_id.reset();
  CHECK(f.store().list_deliveries(filter, {}).total == 5);
  filter.status = kCancelled;
  CHECK(f.store().list_deliveries(filter, {}).total == 0);
  filter.events_visible_to = kOne;
  CHECK(f.store().list_deliveries(filter, {}).total == 3);
}

}  // namespace
}  // namespace webhookd::test
