// How a queue is moved when the clock was set.

#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Until the store says that it is done; how many pieces it made of it.
int shift(StoreFixture& f, ClockShift shift) {
  for (int pieces = 1; pieces < 100; ++pieces) {
    QueueTurn turn;
    turn.shifts.push_back(shift);
    const auto given = f.store().queue_turn(turn, f.now);
    REQUIRE(given.shifted.size() == 1);
    if (given.shifted.front().done) return pieces;
    shift.reached = given.shifted.front().reached;
  }
  FAIL("a shift without end");
  return 0;
}

// As a loop asks for it.
ClockShift set_clock(StoreFixture& f, const WebhookId& id, milliseconds by) {
  f.now += by;
  return {id, by, std::min(f.now, f.now - by), {}, std::nullopt};
}

// Deliveries that have failed, and are tried again 1, 2, 3... seconds later.
void let_wait(StoreFixture& f, const WebhookId& id, int count) {
  f.publish_many(count);
  const Claim claim = f.claim(id, count);
  QueueTurn turn;
  int delay = 0;
  for (const ClaimedDelivery& claimed : claim.deliveries) {
    turn.results.push_back(result_of(id, claimed, kPending, f.now));
    turn.results.back().attempt.next_attempt_at = f.now + seconds{++delay};
  }
  f.store().queue_turn(turn, f.now);
}

TEST_CASE("a shift moves every attempt that waits by as much as the clock was set") {
  const auto by = GENERATE(hours{24}, hours{-24}, hours{1});
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 3);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::paused; });
  CHECK(shift(f, set_clock(f, webhook.id, by)) == 1);
  for (int id = 1; id <= 3; ++id) {
    CHECK(f.delivery(DeliveryId{id}).next_attempt_at == f.now + seconds{id});
  }
  CHECK(f.store().endpoint(webhook.id)->next_due == f.now + seconds{1});
}

TEST_CASE("a shift of many is made in pieces, and moves each once") {
  const auto by = GENERATE(seconds{400}, seconds{-400});
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 2500);
  CHECK(shift(f, set_clock(f, webhook.id, by)) > 1);
  for (int id = 1; id <= 2500; id += 7) {
    CHECK(f.delivery(DeliveryId{id}).next_attempt_at == f.now + seconds{id});
  }
}

TEST_CASE(
    "a shift that was not done is found at the next start, and until it is done no health is "
    "kept") {
  const auto by = GENERATE(seconds{400}, seconds{-400}, hours{24}, hours{-24});
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 2500);
  CHECK_FALSE(f.store().endpoint(webhook.id)->unfinished_shift);
  QueueTurn turn;
  turn.shifts.push_back(set_clock(f, webhook.id, by));
  turn.health.push_back({webhook.id, {}, 0});
  turn.health.back().health.last_failure_at = f.now;
  REQUIRE_FALSE(f.store().queue_turn(turn, f.now).shifted.front().done);
  CHECK_FALSE(f.store().endpoint(webhook.id)->health.last_failure_at);
  f.restart();
  for (int pieces = 2;; ++pieces) {
    REQUIRE(pieces < 100);
    turn.shifts.front() = f.store().endpoint(webhook.id)->unfinished_shift.value();
    CHECK(turn.shifts.front().by == by);
    if (f.store().queue_turn(turn, f.now).shifted.front().done) break;
    CHECK_FALSE(f.store().endpoint(webhook.id)->health.last_failure_at);
  }
  CHECK_FALSE(f.store().endpoint(webhook.id)->unfinished_shift);
  CHECK(f.store().endpoint(webhook.id)->health.last_failure_at == f.now);
  for (int id = 1; id <= 2500; id += 7) {
    CHECK(f.delivery(DeliveryId{id}).next_attempt_at == f.now + seconds{id});
  }
}

TEST_CASE("what a kill amid a shift has interrupted is due at once, not later by the shift") {
  const auto by = GENERATE(seconds{400}, seconds{-400});
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 2500);
  f.publish_many(1);
  const DeliveryId interrupted = f.claim(webhook.id).deliveries.at(0).id;
  QueueTurn turn;
  turn.shifts.push_back(set_clock(f, webhook.id, by));
  REQUIRE_FALSE(f.store().queue_turn(turn, f.now).shifted.front().done);
  f.now += seconds{2};
  f.restart();
  f.tidy();
  shift(f, f.store().endpoint(webhook.id)->unfinished_shift.value());
  CHECK(f.delivery(interrupted).next_attempt_at <= f.now);
}

TEST_CASE("rows that are due in the same millisecond are moved once, too") {
  const auto by = GENERATE(hours{24}, hours{-24});
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(2500);
  const Claim claim = f.claim(webhook.id, 2500);
  QueueTurn turn;
  for (const ClaimedDelivery& claimed : claim.deliveries) {
    turn.results.push_back(result_of(webhook.id, claimed, kPending, f.now));
    turn.results.back().attempt.next_attempt_at = f.now + seconds{60};
  }
  f.store().queue_turn(turn, f.now);
  shift(f, set_clock(f, webhook.id, by));
  f.now += seconds{59};
  CHECK(f.claim(webhook.id, 2500).deliveries.empty());
  f.now += seconds{1};
  CHECK(f.claim(webhook.id, 2500).deliveries.size() == 2500);
}

TEST_CASE("what is due stays due, whichever way the clock is set") {
  const auto by = GENERATE(hours{24}, hours{-24});
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  f.now += seconds{5};
  shift(f, set_clock(f, webhook.id, by));
  CHECK(ids_of(f.claim(webhook.id)) == Ids{1, 2});
}

TEST_CASE("what is published or retried by hand after the clock was set is not put off") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId failed = f.deliver(webhook.id, kFailed);
  const ClockShift asked = set_clock(f, webhook.id, hours{24});
  f.publish_many(1);
  f.store().retry_delivery(webhook.id, failed, RetrySucceeded::refuse, f.context());
  shift(f, asked);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{1, 2});
}

TEST_CASE("what is stamped ahead of a clock that was set back becomes due, and no retry does") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 1);
  f.publish_many(1);
  const auto retry = f.delivery(DeliveryId{1}).next_attempt_at;
  f.now -= hours{24};
  shift(f, {webhook.id, milliseconds{0}, f.now, {}, std::nullopt, Shifted::stamped_ahead});
  CHECK(ids_of(f.claim(webhook.id)) == Ids{2});
  CHECK(f.delivery(DeliveryId{1}).next_attempt_at == retry);
}

TEST_CASE("an exception of a shift keeps its time") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 2);
  ClockShift asked = set_clock(f, webhook.id, hours{24});
  asked.except = {DeliveryId{2}};
  const auto before = f.delivery(DeliveryId{2}).next_attempt_at;
  shift(f, asked);
  CHECK(f.delivery(DeliveryId{1}).next_attempt_at == f.now + seconds{1});
  CHECK(f.delivery(DeliveryId{2}).next_attempt_at == before);
}

TEST_CASE("a shift leaves other webhooks alone, and one of a webhook that is gone is done") {
  StoreFixture f;
  const Webhook moved = f.add("moved");
  WebhookSettings settings = settings_for("other");
  settings.events = {"group.created"};
  const Webhook other = f.add(settings);
  let_wait(f, moved.id, 1);
  f.publish(event_of("g", "group.created"));
  const DeliveryId theirs = f.deliver(other.id, kPending);
  const auto before = f.delivery(theirs).next_attempt_at;
  shift(f, set_clock(f, moved.id, hours{24}));
  CHECK(f.delivery(theirs).next_attempt_at == before);
  f.store().delete_webhook(moved.id, f.context());
  CHECK(shift(f, set_clock(f, moved.id, hours{1})) == 1);
}

TEST_CASE("shifts and claims of one turn: the shift comes first") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 1);
  QueueTurn turn;
  turn.shifts.push_back(set_clock(f, webhook.id, hours{24}));
  turn.claims.push_back({webhook.id, 5, Claimable::any});
  CHECK(f.store().queue_turn(turn, f.now).claims.front().deliveries.empty());
}

TEST_CASE("a claim brings nothing that is due later than it says") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  let_wait(f, webhook.id, 2);
  QueueTurn turn;
  turn.claims.push_back({webhook.id, 5, Claimable::any, f.now + seconds{1}});
  const auto given = f.store().queue_turn(turn, f.now + hours{24});
  CHECK(ids_of(given.claims.front()) == Ids{1});
  CHECK(given.claims.front().next_due == f.now + seconds{2});
}

}  // namespace
}  // namespace webhookd::test
