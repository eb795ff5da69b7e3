// The rules of Store::queue_turn. Longer than most, so that they can be read in one place.

#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::seconds;

TEST_CASE("a claimed delivery is in flight, carries its event and is not claimed again") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const Claim claim = f.claim(webhook.id);
  REQUIRE(claim.deliveries.size() == 1);
  const ClaimedDelivery& claimed = claim.deliveries.front();
  CHECK(claimed.event_id == "evt_1");
  CHECK(claimed.event_type == "user.created");
  CHECK(claimed.body == event_of("evt_1").body);
  CHECK(claimed.attempt_number == 1);
  CHECK(claimed.max_attempts == 3);
  CHECK(claimed.trigger == Trigger::automatic);
  CHECK(claimed.due == f.now);
  CHECK(f.delivery(claimed.id).status == kInFlight);
  CHECK(f.claim(webhook.id).deliveries.empty());
}

TEST_CASE("claims come earliest due first, then in the order of ids, and no more than asked") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(3);
  const Claim first = f.claim(webhook.id, 1);
  CHECK(ids_of(first) == Ids{1});
  f.finish(webhook.id, first.deliveries.front(), kPending, seconds{0});
  f.now += seconds{1};
  f.publish_many(1);
  CHECK(ids_of(f.claim(webhook.id, 3)) == Ids{1, 2, 3});
  CHECK(ids_of(f.claim(webhook.id, 3)) == Ids{4});
}

TEST_CASE("a delivery is not claimed before it is due, and next_due says when that is") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const Claim claim = f.claim(webhook.id);
  CHECK_FALSE(claim.next_due);
  f.finish(webhook.id, claim.deliveries.front(), kPending, seconds{5});
  const Claim early = f.claim(webhook.id);
  CHECK(early.deliveries.empty());
  CHECK(early.next_due == f.now + seconds{5});
  CHECK(f.store().endpoint(webhook.id)->next_due == f.now + seconds{5});
  f.now += seconds{5};
  const Claim due = f.claim(webhook.id);
  REQUIRE(due.deliveries.size() == 1);
  CHECK(due.deliveries.front().attempt_number == 2);
}

TEST_CASE("a recorded success ends the delivery and keeps its attempt") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const Claim claim = f.claim(webhook.id);
  AttemptResult result = result_of(webhook.id, claim.deliveries.front(), kSucceeded, f.now);
  result.attempt.request_headers = {{"X-One", "1"}};
  result.attempt.response_headers = {{"Server", "s"}, {"server", "t"}};
  result.attempt.response_body = std::string("\0\xff ok", 5);
  result.attempt.timings = {std::chrono::milliseconds{1}, std::chrono::milliseconds{2},
                            std::nullopt, std::chrono::milliseconds{4}};
  result.attempt.remote_address = "203.0.113.9:443";
  QueueTurn turn;
  turn.results.push_back(result);
  f.store().queue_turn(turn, f.now);

  const auto detail = f.store().delivery_detail(result.delivery);
  REQUIRE(detail);
  CHECK(detail->url == webhook.settings.url);
  CHECK(detail->body == event_of("evt_1").body);
  CHECK(detail->delivery.status == kSucceeded);
  CHECK(detail->delivery.attempt_count == 1);
  CHECK(detail->delivery.completed_at == f.now);
  CHECK(detail->delivery.response_status == 200);
  CHECK(detail->delivery.duration == std::chrono::milliseconds{40});
  CHECK_FALSE(detail->delivery.error);
  CHECK_FALSE(detail->delivery.next_attempt_at);
  REQUIRE(detail->attempts.size() == 1);
  const Attempt& attempt = detail->attempts.front();
  CHECK(attempt.id.value > 0);
  CHECK(attempt.number == 1);
  CHECK(attempt.request_headers == result.attempt.request_headers);
  CHECK(attempt.response_headers == result.attempt.response_headers);
  CHECK(attempt.response_body == result.attempt.response_body);
  CHECK(attempt.timings.connect == std::chrono::milliseconds{2});
  CHECK_FALSE(attempt.timings.tls);
  CHECK(attempt.remote_address == "203.0.113.9:443");
}

TEST_CASE("a failed attempt leaves the delivery pending for its next one, the last one ends it") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, kPending);
  Delivery delivery = f.delivery(id);
  CHECK(delivery.status == kPending);
  CHECK(delivery.next_attempt_at == f.now + seconds{5});
  CHECK(delivery.error == DeliveryError{ErrorKind::http_status, "the receiver answered 500"});
  CHECK_FALSE(delivery.completed_at);
  f.now += seconds{5};
  f.deliver(webhook.id, kFailed);
  delivery = f.delivery(id);
  CHECK(delivery.status == kFailed);
  CHECK(delivery.attempt_count == 2);
  CHECK(delivery.completed_at == f.now);
  const auto detail = f.store().delivery_detail(id);
  REQUIRE(detail->attempts.size() == 2);
  CHECK(detail->attempts[0].next_attempt_at == kStart + seconds{5});
  CHECK(detail->attempts[0].id < detail->attempts[1].id);
  CHECK(detail->attempts[1].number == 2);
}

TEST_CASE("results and claims of one turn see each other") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  f.publish_many(2);
  const Claim first = f.claim(webhook.id);
  REQUIRE(ids_of(first) == Ids{1});
  QueueTurn turn;
  turn.results.push_back(result_of(webhook.id, first.deliveries.front(), kSucceeded, f.now));
  turn.claims.push_back({webhook.id, 5, Claimable::any});
  CHECK(ids_of(f.store().queue_turn(turn, f.now).claims.front()) == Ids{2});
}

TEST_CASE("a result for a delivery that is not in flight any more is dropped") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const Claim claim = f.claim(webhook.id);
  f.finish(webhook.id, claim.deliveries.front(), kSucceeded);
  f.finish(webhook.id, claim.deliveries.front(), kFailed);
  CHECK(f.delivery(DeliveryId{1}).status == kSucceeded);
  CHECK(f.delivery(DeliveryId{1}).attempt_count == 1);
  ClaimedDelivery unknown = claim.deliveries.front();
  unknown.id = DeliveryId{99};
  CHECK_NOTHROW(f.finish(webhook.id, unknown, kFailed));
}

TEST_CASE("a released delivery is as it was before the claim") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const Claim claim = f.claim(webhook.id);
  f.now += seconds{60};
  QueueTurn turn;
  turn.released.push_back(claim.deliveries.front().id);
  f.store().queue_turn(turn, f.now);
  const Delivery delivery = f.delivery(claim.deliveries.front().id);
  CHECK(delivery.status == kPending);
  CHECK(delivery.attempt_count == 0);
  CHECK(delivery.next_attempt_at == kStart);
  CHECK(f.found(webhook.id).backlog == 1);
  CHECK(f.claim(webhook.id).deliveries.front().attempt_number == 1);
}

TEST_CASE("paused, disabled and unknown webhooks give no claims") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::paused; });
  CHECK(f.claim(webhook.id).deliveries.empty());
  CHECK(f.claim(webhook_id(77)).deliveries.empty());
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  CHECK(f.claim(webhook.id).deliveries.size() == 1);
}

TEST_CASE("an ordered webhook has one attempt in flight, and its head holds back the rest") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  f.publish_many(3);
  CHECK(f.found(webhook.id).head_delivery_id == DeliveryId{1});
  CHECK(f.store().endpoint(webhook.id)->next_due == f.now);
  const Claim claim = f.claim(webhook.id, 10);
  REQUIRE(ids_of(claim) == Ids{1});
  CHECK_FALSE(claim.next_due);
  CHECK(f.claim(webhook.id, 10).deliveries.empty());
  f.finish(webhook.id, claim.deliveries.front(), kPending, seconds{30});
  const Claim held = f.claim(webhook.id, 10);
  CHECK(held.deliveries.empty());
  CHECK(held.next_due == f.now + seconds{30});
  CHECK(f.found(webhook.id).head_delivery_id == DeliveryId{1});
  f.now += seconds{30};
  CHECK(f.deliver(webhook.id, kFailed) == DeliveryId{1});
  CHECK(f.deliver(webhook.id, kSucceeded) == DeliveryId{2});
  CHECK(f.deliver(webhook.id, kSucceeded) == DeliveryId{3});
  CHECK_FALSE(f.found(webhook.id).head_delivery_id);
}

TEST_CASE("cancelling the head of an ordered webhook lets the next one go") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  f.publish_many(2);
  f.deliver(webhook.id, kPending);
  CHECK(f.store().cancel_delivery(webhook.id, DeliveryId{1}, f.context()) ==
        CancelOutcome::cancelled);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{2});
}

TEST_CASE("a retry by hand of an ended delivery stands outside the order") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  f.publish_many(3);
  f.deliver(webhook.id, kFailed);
  const Claim second = f.claim(webhook.id);
  REQUIRE(ids_of(second) == Ids{2});
  f.store().retry_delivery(webhook.id, DeliveryId{1}, RetrySucceeded::refuse, f.context());
  CHECK(f.store().endpoint(webhook.id)->next_due == f.now);
  const Claim by_hand = f.claim(webhook.id, 10);
  CHECK(ids_of(by_hand) == Ids{1});
  CHECK(by_hand.deliveries.front().trigger == Trigger::manual);
  f.finish(webhook.id, second.deliveries.front(), kSucceeded);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{3});
}

TEST_CASE("a retry by hand of the waiting head lets nobody overtake it") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  f.publish_many(2);
  f.deliver(webhook.id, kPending);
  f.store().retry_delivery(webhook.id, DeliveryId{1}, RetrySucceeded::refuse, f.context());
  const Claim by_hand = f.claim(webhook.id, 10);
  REQUIRE(ids_of(by_hand) == Ids{1});
  CHECK(f.claim(webhook.id, 10).deliveries.empty());
  f.finish(webhook.id, by_hand.deliveries.front(), kSucceeded);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{2});
}

TEST_CASE("a claim for manual retries leaves automatic deliveries alone") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  const DeliveryId id = f.deliver(webhook.id, kFailed);
  CHECK(f.claim(webhook.id, 10, Claimable::manual_only).deliveries.empty());
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context());
  const Claim claim = f.claim(webhook.id, 10, Claimable::manual_only);
  CHECK(ids_of(claim) == Ids{id.value});
  CHECK(claim.next_due == f.now);
}

TEST_CASE("what was in flight at a crash is pending again with an interrupted attempt") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.claim(webhook.id);
  f.now += seconds{9};
  f.restart();
  const auto detail = f.store().delivery_detail(DeliveryId{1});
  REQUIRE(detail);
  CHECK(detail->delivery.status == kPending);
  CHECK(detail->delivery.next_attempt_at == f.now);
  CHECK(detail->delivery.attempt_count == 1);
  REQUIRE(detail->attempts.size() == 1);
  CHECK(detail->attempts.front().error->kind == ErrorKind::interrupted);
  CHECK(f.found(webhook.id).backlog == 1);
  const Claim again = f.claim(webhook.id);
  REQUIRE(again.deliveries.size() == 1);
  CHECK(again.deliveries.front().attempt_number == 2);
}

TEST_CASE("an interruption of the last attempt does not exhaust a delivery") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.retry_schedule.emplace();
  const Webhook webhook = f.add(settings);
  f.publish_many(1);
  CHECK(f.claim(webhook.id).deliveries.front().max_attempts == 1);
  f.restart();
  CHECK(f.delivery(DeliveryId{1}).status == kPending);
  CHECK(f.delivery(DeliveryId{1}).max_attempts == 2);
  CHECK(f.claim(webhook.id).deliveries.size() == 1);
}

TEST_CASE("a retry by hand that was in flight at a crash is one again") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, kFailed);
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context());
  f.claim(webhook.id);
  f.restart();
  CHECK(f.claim(webhook.id, 1, Claimable::manual_only).deliveries.size() == 1);
  CHECK(f.store().delivery_detail(id)->attempts.back().trigger == Trigger::manual);
}

TEST_CASE("a disabling stops claims at once and cancels everything that waits") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(3);
  const Claim claim = f.claim(webhook.id, 1);
  QueueTurn turn;
  turn.disable.push_back({webhook.id, "it answered 410", "evt_own"});
  f.store().queue_turn(turn, f.now);
  const Webhook disabled = f.found(webhook.id);
  CHECK(disabled.settings.status == WebhookStatus::disabled);
  CHECK(disabled.disabled_reason == "it answered 410");
  CHECK(disabled.disabled_at == f.now);
  CHECK(f.claim(webhook.id).deliveries.empty());
  f.tidy();
  CHECK(ids_of(f.list(webhook.id, kCancelled)) == Ids{3, 2});
  CHECK(f.delivery(DeliveryId{2}).completed_at == f.now);
  f.finish(webhook.id, claim.deliveries.front(), kPending);
  CHECK(f.delivery(DeliveryId{1}).status == kCancelled);
  CHECK(f.delivery(DeliveryId{1}).attempt_count == 1);
  CHECK(f.found(webhook.id).backlog == 0);
}

TEST_CASE("a disabling of many cancels them in batches, and enabling brings none of them back") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  for (int round = 0; round < 8; ++round) f.publish_many(1000);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  CHECK(f.claim(webhook.id).deliveries.empty());
  CHECK_FALSE(f.store().endpoint(webhook.id)->next_due);
  f.publish_many(1);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{8001});
  f.tidy();
  CHECK(f.list(webhook.id, kCancelled).total == 8000);
  CHECK(f.list(webhook.id, kPending).total == 0);
  CHECK(f.found(webhook.id).backlog == 1);
}

TEST_CASE("a delivery retried by hand while a disabling is still being worked off survives it") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  for (int round = 0; round < 6; ++round) f.publish_many(1000);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  CHECK(f.store().retry_delivery(webhook.id, DeliveryId{6000}, RetrySucceeded::refuse,
                                 f.context()) == RetryOutcome::retried);
  f.tidy();
  CHECK(f.list(webhook.id, kCancelled).total == 5999);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{6000});
}

TEST_CASE("health that a loop writes is there after a restart") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  EndpointHealth health;
  health.consecutive_failures = 7;
  health.failing_since = f.now;
  health.last_success_at = f.now - seconds{50};
  health.last_failure_at = f.now;
  health.probes = 2;
  health.next_probe_at = f.now + seconds{20};
  health.held_until = f.now + seconds{30};
  health.failing_for = seconds{70};
  QueueTurn turn;
  turn.health.push_back({webhook.id, health});
  turn.health.push_back({webhook_id(77), health});
  f.store().queue_turn(turn, f.now);
  f.restart();
  CHECK(f.found(webhook.id).health == health);
  CHECK(f.store().endpoint(webhook.id)->health == health);
}

TEST_CASE("an endpoint carries all that a loop needs to send") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.headers = {{"Authorization", "Bearer shown-to-the-loop"}};
  settings.retry_schedule = {seconds{1}, seconds{2}};
  settings.rate_limit_per_second = 2.5;
  settings.max_in_flight = 3;
  settings.timeout = seconds{7};
  const Webhook webhook = f.add(settings);
  f.store().rotate_secret(webhook.id, Secret{kOtherSecretText}, seconds{60}, f.context());
  const auto endpoint = f.store().endpoint(webhook.id);
  REQUIRE(endpoint);
  CHECK(endpoint->shard == shard_of(webhook.id));
  CHECK(endpoint->url == settings.url);
  CHECK(endpoint->headers == settings.headers);
  CHECK(endpoint->retry_schedule == settings.retry_schedule);
  CHECK(endpoint->rate_limit_per_second == 2.5);
  CHECK(endpoint->max_in_flight == 3);
  CHECK(endpoint->timeout == seconds{7});
  CHECK(endpoint->secret.value == kOtherSecretText);
  CHECK(endpoint->previous_secret == Secret{kSecretText});
  CHECK(endpoint->previous_secret_expires_at == f.now + seconds{60});
  CHECK_FALSE(endpoint->next_due);
  CHECK_FALSE(f.store().endpoint(webhook_id(77)));
}

TEST_CASE("endpoints are found by their shards, each once") {
  StoreFixture f;
  const Webhook first = f.add("a");
  const Webhook second = f.add("b");
  f.change(second.id, [](WebhookSettings& s) { s.status = WebhookStatus::paused; });
  std::vector<int> shards;
  for (int shard = 0; shard < kShardCount; ++shard) shards.push_back(shard);
  CHECK(f.store().endpoints(shards).size() == 2);
  const int wanted = shard_of(first.id);
  const auto some = f.store().endpoints(std::span(&wanted, 1));
  REQUIRE_FALSE(some.empty());
  for (const Endpoint& endpoint : some) CHECK(endpoint.shard == wanted);
}

}  // namespace
}  // namespace webhookd::test
