#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr hours kDay{24};

struct Kept : StoreFixture {
  void pass(std::chrono::seconds time) {
    now += time;
    tidy();
  }
  bool has_event(const std::string& id) { return !store().find_events(id).empty(); }
  std::int64_t count(const Webhook& webhook) { return list(webhook.id).total; }
  void set_status(const Webhook& webhook, WebhookStatus status) {
    change(webhook.id, [&](WebhookSettings& settings) { settings.status = status; });
  }
};

TEST_CASE("what succeeded or was cancelled goes after 30 days, and its event with it") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  f.deliver(webhook.id, kSucceeded);
  REQUIRE(f.store().cancel_delivery(webhook.id, DeliveryId{2}, f.context()) ==
          CancelOutcome::cancelled);
  f.pass(30 * kDay - seconds{1});
  CHECK(f.count(webhook) == 2);
  CHECK(f.has_event("evt_1"));
  f.pass(hours{1});
  CHECK(f.count(webhook) == 0);
  CHECK_FALSE(f.store().delivery_detail(DeliveryId{1}));
  CHECK(f.store().attempts_after(AttemptId{0}, 10).items.empty());
  CHECK_FALSE(f.has_event("evt_1"));
  CHECK_FALSE(f.has_event("evt_2"));
}

TEST_CASE("what failed goes after 90 days, and until then its event stays") {
  Kept f;
  const Webhook failing = f.add("a");
  const Webhook good = f.add("b");
  f.publish_many(1);
  f.deliver(failing.id, kFailed);
  f.deliver(good.id, kSucceeded);
  f.pass(90 * kDay - seconds{1});
  CHECK(f.count(good) == 0);
  CHECK(f.count(failing) == 1);
  REQUIRE(f.has_event("evt_1"));
  CHECK(f.store().delivery_detail(DeliveryId{1})->body == event_of("evt_1").body);
  f.pass(hours{1});
  CHECK(f.count(failing) == 0);
  CHECK_FALSE(f.has_event("evt_1"));
}

TEST_CASE("an event that nobody gets can be replayed for 30 days") {
  Kept f;
  f.publish_many(1);
  f.pass(30 * kDay - seconds{1});
  CHECK(f.has_event("evt_1"));
  f.pass(hours{1});
  CHECK_FALSE(f.has_event("evt_1"));
  const Webhook webhook = f.add("late");
  ReplayBatch batch;
  batch.webhook = webhook.id;
  batch.since = kStart - kDay;
  CHECK(f.store().replay_events(batch, {}, f.context()).sum.matched == 0);
}

TEST_CASE("a delivery of an old event is kept from when it ended, and its event with it") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, kFailed);
  f.pass(60 * kDay);
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context());
  f.deliver(webhook.id, kSucceeded);
  f.pass(29 * kDay);
  CHECK(f.count(webhook) == 1);
  CHECK(f.has_event("evt_1"));
  f.pass(kDay + hours{1});
  CHECK(f.count(webhook) == 0);
  CHECK_FALSE(f.has_event("evt_1"));
}

TEST_CASE("what waits is kept for as long as it waits") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.pass(400 * kDay);
  CHECK(f.list(webhook.id, kPending).total == 1);
  CHECK(f.claim(webhook.id).deliveries.size() == 1);
}

TEST_CASE("what waits for a webhook that has been paused for 30 days is cancelled as expired") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.set_status(webhook, WebhookStatus::paused);
  f.pass(10 * kDay);
  f.publish_many(1);
  f.pass(20 * kDay - seconds{1});
  CHECK(f.delivery(DeliveryId{1}).status == kPending);
  f.now += hours{1};
  CHECK(f.tidy() == std::vector<WebhookId>{webhook.id});
  const Delivery expired = f.delivery(DeliveryId{1});
  CHECK(expired.status == kCancelled);
  CHECK(expired.completed_at == f.now);
  REQUIRE(expired.error);
  CHECK(expired.error->kind == ErrorKind::expired);
  CHECK(f.delivery(DeliveryId{2}).status == kPending);
  CHECK(f.found(webhook.id).backlog == 1);
  f.set_status(webhook, WebhookStatus::active);
  CHECK(f.claim(webhook.id).deliveries.size() == 1);
}

TEST_CASE("what expired can be retried, and says no more that it has") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.set_status(webhook, WebhookStatus::paused);
  f.publish_many(1);
  f.pass(31 * kDay);
  f.set_status(webhook, WebhookStatus::active);
  CHECK(f.store().retry_delivery(webhook.id, DeliveryId{1}, RetrySucceeded::refuse, f.context()) ==
        RetryOutcome::retried);
  CHECK_FALSE(f.delivery(DeliveryId{1}).error);
  CHECK(f.claim(webhook.id).deliveries.size() == 1);
}

TEST_CASE("a pause counts from its beginning, however long a delivery has waited before") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.pass(40 * kDay);
  f.set_status(webhook, WebhookStatus::paused);
  f.pass(20 * kDay);
  f.set_status(webhook, WebhookStatus::active);
  f.pass(kDay);
  f.set_status(webhook, WebhookStatus::paused);
  f.pass(20 * kDay);
  f.change(webhook.id, [](WebhookSettings& settings) { settings.name = "b"; });
  CHECK(f.delivery(DeliveryId{1}).status == kPending);
  f.pass(11 * kDay);
  CHECK(f.delivery(DeliveryId{1}).status == kCancelled);
}

TEST_CASE("many that are old go in many pieces, and what is counted is what is left") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(500);
  for (const ClaimedDelivery& claimed : f.claim(webhook.id, 500).deliveries) {
    f.finish(webhook.id, claimed, kSucceeded);
  }
  f.pass(15 * kDay);
  f.publish_many(1);
  f.deliver(webhook.id, kSucceeded);
  f.now += 16 * kDay;
  std::vector<WebhookId> changed;
  int pieces = 1;
  while (f.store().do_housekeeping(f.now, changed) == MoreWork::yes) ++pieces;
  CHECK(pieces > 5);
  CHECK(changed.empty());
  CHECK(f.count(webhook) == 1);
  CHECK(f.list(webhook.id, kSucceeded).total == 1);
  CHECK(f.has_event("evt_501"));
  CHECK_FALSE(f.has_event("evt_500"));
}

TEST_CASE("numbers of what is gone stay in the stats") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  f.deliver(webhook.id, kSucceeded);
  f.deliver(webhook.id, kFailed);
  f.pass(31 * kDay);
  CHECK(f.count(webhook) == 1);
  const auto stats = f.store().stats(webhook.id, 40 * kDay, f.now);
  CHECK(stats->succeeded == 1);
  CHECK(stats->failed == 1);
}

TEST_CASE("the audit log goes back a year") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.pass(200 * kDay);
  f.store().rotate_secret(webhook.id, Secret{kOtherSecretText}, seconds{0}, f.context());
  CHECK(f.store().audit(std::nullopt, 10).size() == 2);
  f.pass(166 * kDay);
  REQUIRE(f.store().audit(std::nullopt, 10).size() == 1);
  CHECK(f.store().audit(std::nullopt, 10).front().action == "webhook.rotate_secret");
}

TEST_CASE("ids of what is gone are never given again") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.deliver(webhook.id, kSucceeded);
  f.pass(31 * kDay);
  REQUIRE(f.count(webhook) == 0);
  f.restart();
  f.publish_many(1);
  CHECK(f.deliver(webhook.id, kSucceeded).value == 2);
  CHECK(f.store().attempts_after(AttemptId{1}, 10).items.size() == 1);
}

TEST_CASE("a replay that is made again after its deliveries have gone finds no old events") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.deliver(webhook.id, kSucceeded);
  ReplayBatch batch;
  batch.webhook = webhook.id;
  batch.since = kStart - kDay;
  batch.replay_id = "once";
  REQUIRE(f.store().replay_events(batch, {}, f.context()).sum.changed == 1);
  f.deliver(webhook.id, kSucceeded);
  f.pass(31 * kDay);
  f.publish_many(1);
  const ReplayResult again = f.store().replay_events(batch, {}, f.context());
  CHECK_FALSE(again.fault);
  CHECK(again.sum.matched == 0);
}

TEST_CASE("history of a deleted webhook goes at once, and events as they become old") {
  Kept f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.deliver(webhook.id, kFailed);
  f.pass(20 * kDay);
  f.store().delete_webhook(webhook.id, f.context());
  f.tidy();
  CHECK_FALSE(f.store().find_delivery(DeliveryId{1}));
  CHECK(f.has_event("evt_1"));
  f.pass(11 * kDay);
  CHECK_FALSE(f.has_event("evt_1"));
}

}  // namespace
}  // namespace webhookd::test
