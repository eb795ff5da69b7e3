// Finished attempts in the order in which they were recorded: what the stream of them stands on.

#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

std::vector<std::int64_t> attempt_ids(const AttemptPage& page) {
  std::vector<std::int64_t> ids;
  for (const FinishedAttempt& attempt : page.items) ids.push_back(attempt.id.value);
  return ids;
}

}  // namespace

TEST_CASE("attempts are read on from an id, none missed and none twice") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  CHECK(f.store().newest_attempt().value == 0);
  CHECK(f.store().attempts_after({}, 10).items.empty());
  f.publish_many(5);
  for (int i = 0; i < 5; ++i) f.deliver(webhook.id, DeliveryStatus::succeeded);
  CHECK(f.store().newest_attempt().value == 5);

  AttemptPage page = f.store().attempts_after({}, 2);
  CHECK(attempt_ids(page) == std::vector<std::int64_t>{1, 2});
  CHECK(page.more);
  page = f.store().attempts_after(page.last, 10);
  CHECK(attempt_ids(page) == std::vector<std::int64_t>{3, 4, 5});
  CHECK_FALSE(page.more);
  page = f.store().attempts_after(page.last, 10);
  CHECK(page.items.empty());
  CHECK(page.last.value == 5);
}

TEST_CASE("a finished attempt tells whose it is and what became of its delivery") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  Claim claim = f.claim(webhook.id, 1);
  f.finish(webhook.id, claim.deliveries.at(0), DeliveryStatus::pending, seconds{0});
  claim = f.claim(webhook.id, 1);
  f.finish(webhook.id, claim.deliveries.at(0), DeliveryStatus::failed);

  const AttemptPage page = f.store().attempts_after({}, 10);
  REQUIRE(page.items.size() == 2);
  const FinishedAttempt& first = page.items[0];
  CHECK(first.delivery == claim.deliveries.at(0).id);
  CHECK(first.webhook == webhook.id);
  CHECK(first.event_id == claim.deliveries.at(0).event_id);
  CHECK(first.event_type == "user.created");
  CHECK(first.number == 1);
  CHECK(first.max_attempts == claim.deliveries.at(0).max_attempts);
  CHECK(first.trigger == Trigger::automatic);
  CHECK(first.error.has_value());
  CHECK(first.next_attempt_at.has_value());
  CHECK(first.status == DeliveryStatus::pending);
  CHECK(page.items[1].number == 2);
  CHECK(page.items[1].status == DeliveryStatus::failed);
}

TEST_CASE("a success is told as one, also after a retry by hand has failed") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, DeliveryStatus::succeeded);
  REQUIRE(f.store().retry_delivery(webhook.id, id, RetrySucceeded::allow, f.context()) ==
          RetryOutcome::retried);
  const Claim claim = f.claim(webhook.id, 1, Claimable::manual_only);
  f.finish(webhook.id, claim.deliveries.at(0), DeliveryStatus::failed);
  const AttemptPage page = f.store().attempts_after({}, 10);
  REQUIRE(page.items.size() == 2);
  CHECK(page.items[0].status == DeliveryStatus::succeeded);
  CHECK(page.items[1].status == DeliveryStatus::failed);
  CHECK(page.items[1].trigger == Trigger::manual);
}

TEST_CASE("an attempt that failed for good stays one when its delivery is cancelled later") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, DeliveryStatus::failed);
  REQUIRE(f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context()) ==
          RetryOutcome::retried);
  REQUIRE(f.store().cancel_delivery(webhook.id, id, f.context()) == CancelOutcome::cancelled);
  CHECK(f.store().attempts_after({}, 10).items.at(0).status == DeliveryStatus::failed);
}

TEST_CASE("an attempt whose delivery a disabling ended stays one when that succeeds later") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  Claim claim = f.claim(webhook.id, 1);
  const DeliveryId id = claim.deliveries.at(0).id;
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  f.finish(webhook.id, claim.deliveries.at(0), DeliveryStatus::pending);
  const auto first = [&] { return f.store().attempts_after({}, 10).items.at(0).status; };
  CHECK(first() == DeliveryStatus::cancelled);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  REQUIRE(f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context()) ==
          RetryOutcome::retried);
  claim = f.claim(webhook.id, 1, Claimable::manual_only);
  f.finish(webhook.id, claim.deliveries.at(0), DeliveryStatus::succeeded);
  CHECK(first() == DeliveryStatus::cancelled);
}

TEST_CASE("attempts of a deleted webhook are passed over, and reading goes on behind them") {
  StoreFixture f;
  const Webhook gone = f.add("gone");
  f.publish_many(3);
  for (int i = 0; i < 3; ++i) f.deliver(gone.id, DeliveryStatus::succeeded);
  REQUIRE(f.store().delete_webhook(gone.id, f.context()));
  const AttemptPage page = f.store().attempts_after({}, 2);
  CHECK(page.items.empty());
  CHECK(page.more);
  CHECK(page.last.value == 2);
  f.tidy();
  // No id is used twice, or whoever reads on would miss it.
  CHECK(f.store().newest_attempt().value == 3);
  const Webhook webhook = f.add("next");
  f.publish_many(1);
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  CHECK(attempt_ids(f.store().attempts_after(AttemptId{3}, 2)) == std::vector<std::int64_t>{4});
}

TEST_CASE("attempts are found by the time at which they ended, with a minute to spare") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  CHECK(f.store().attempt_before(f.now).value == 0);
  const Timestamp start = f.now;
  f.publish_many(20);
  for (int i = 0; i < 20; ++i) {
    f.deliver(webhook.id, DeliveryStatus::succeeded);
    f.now += minutes{10};
  }
  CHECK(f.store().attempt_before(start - minutes{60}).value == 0);
  CHECK(f.store().attempt_before(f.now + minutes{60}).value == 20);
  // Of number n (from 1) the end lies 10 * (n - 1) minutes behind the start.
  CHECK(f.store().attempt_before(start + minutes{105}).value == 11);
}

}  // namespace webhookd::test
