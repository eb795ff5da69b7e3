#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::seconds;

TEST_CASE("deliveries are listed newest first in pages, with an exact total") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(5);
  DeliveryFilter filter;
  filter.webhook_id = webhook.id;
  DeliveryPage page = f.store().list_deliveries(filter, {1, 2});
  CHECK(ids_of(page) == Ids{5, 4});
  CHECK(page.total == 5);
  CHECK_FALSE(page.total_capped);
  CHECK(page.more);
  page = f.store().list_deliveries(filter, {3, 2});
  CHECK(ids_of(page) == Ids{1});
  CHECK_FALSE(page.more);
  CHECK(f.store().list_deliveries(filter, {4, 2}).items.empty());
}

TEST_CASE("a cursor goes on below an id and leaves the total alone") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(5);
  DeliveryFilter filter;
  filter.webhook_id = webhook.id;
  filter.before = DeliveryId{4};
  const DeliveryPage page = f.store().list_deliveries(filter, {1, 2});
  CHECK(ids_of(page) == Ids{3, 2});
  CHECK(page.total == 5);
  CHECK(page.more);
}

TEST_CASE("every status can be listed by itself with its exact total") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(6);
  f.deliver(webhook.id, kSucceeded);
  f.deliver(webhook.id, kSucceeded);
  f.deliver(webhook.id, kFailed);
  f.claim(webhook.id, 1);
  f.store().cancel_delivery(webhook.id, DeliveryId{5}, f.context());
  const auto check = [&](DeliveryStatus status, const Ids& ids) {
    const DeliveryPage page = f.list(webhook.id, status);
    CHECK(ids_of(page) == ids);
    CHECK(page.total == static_cast<std::int64_t>(ids.size()));
  };
  check(kSucceeded, {2, 1});
  check(kFailed, {3});
  check(kInFlight, {4});
  check(kCancelled, {5});
  check(kPending, {6});
  CHECK(f.list(webhook.id).total == 6);
}

TEST_CASE("the other filters of the delivery list narrow it and count what they find") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish(event_of("e1", "user.created"));
  f.now += seconds{10};
  f.publish(event_of("e2", "user.deleted"));
  f.now += seconds{10};
  f.publish(event_of("e3", "user.created"));
  f.deliver(webhook.id, kSucceeded);
  f.deliver(webhook.id, kFailed);
  const auto listed = [&](auto set) {
    DeliveryFilter filter;
    filter.webhook_id = webhook.id;
    set(filter);
    const DeliveryPage page = f.store().list_deliveries(filter, {});
    CHECK(page.total == static_cast<std::int64_t>(page.items.size()));
    return ids_of(page);
  };
  using Filter = DeliveryFilter;
  CHECK(listed([](Filter& x) { x.event_type = "user.created"; }) == Ids{3, 1});
  CHECK(listed([](Filter& x) { x.since = kStart + seconds{10}; }) == Ids{3, 2});
  CHECK(listed([](Filter& x) { x.until = kStart + seconds{10}; }) == Ids{1});
  CHECK(listed([](Filter& x) { x.response_status = {200, 299}; }) == Ids{1});
  CHECK(listed([](Filter& x) { x.response_status = {500, 500}; }) == Ids{2});
  CHECK(listed([](Filter& x) { x.response_status = {0, 0}; }).empty());
  CHECK(listed([](Filter& x) {
          x.status = kPending;
          x.event_type = "user.created";
          x.since = kStart;
        }) == Ids{3});
}

TEST_CASE("the filter for no response finds attempts that never got one") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  const Claim claim = f.claim(webhook.id, 1);
  AttemptResult result = result_of(webhook.id, claim.deliveries.front(), kFailed, f.now);
  result.attempt.response_status.reset();
  result.attempt.error = DeliveryError{ErrorKind::connect, "refused"};
  QueueTurn turn;
  turn.results.push_back(result);
  f.store().queue_turn(turn, f.now);
  DeliveryFilter filter;
  filter.webhook_id = webhook.id;
  filter.response_status = {0, 0};
  CHECK(ids_of(f.store().list_deliveries(filter, {})) == Ids{1});
}

TEST_CASE("with filters counting stops at 10,000 and the cursor still reaches everything") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  for (int round = 0; round < 11; ++round) f.publish_many(1000);
  DeliveryFilter filter;
  filter.webhook_id = webhook.id;
  CHECK(f.store().list_deliveries(filter, {}).total == 11'000);
  filter.event_type = "user.created";
  DeliveryPage page = f.store().list_deliveries(filter, {});
  CHECK(page.total == 10'000);
  CHECK(page.total_capped);
  filter.before = DeliveryId{3};
  page = f.store().list_deliveries(filter, {});
  CHECK(ids_of(page) == Ids{2, 1});
  CHECK(page.total_capped);
}

TEST_CASE("deep pages across webhooks go on where the page before ended") {
  StoreFixture f;
  for (const char* name : {"a", "b"}) f.add(name);
  for (int round = 0; round < 6; ++round) f.publish_many(1000);
  DeliveryFilter filter;
  filter.status = kPending;
  DeliveryPage page = f.store().list_deliveries(filter, {50, 200});
  CHECK(page.items.back().id == DeliveryId{2001});
  page = f.store().list_deliveries(filter, {51, 200});
  CHECK(page.items.front().id == DeliveryId{2000});
  CHECK(page.items.size() == 200);
  CHECK(page.more);
  page = f.store().list_deliveries(filter, {60, 200});
  CHECK(page.items.back().id == DeliveryId{1});
  CHECK_FALSE(page.more);
}

TEST_CASE("lists across webhooks show what the caller may see, newest first") {
  StoreFixture f;
  WebhookSettings bound = settings_for("bound");
  bound.binding.tenant_id = "t";
  const Webhook all = f.add("all");
  const Webhook own = f.add(bound);
  f.publish(event_of("1", "user.created", {"t", std::nullopt}));  // deliveries 1 and 2
  f.publish(event_of("2"));                                       // 3
  f.publish(event_of("3", "user.created", {"t", std::nullopt}));  // 4 and 5
  DeliveryFilter filter;
  DeliveryPage page = f.store().list_deliveries(filter, {1, 3});
  CHECK(ids_of(page) == Ids{5, 4, 3});
  CHECK(page.total == 5);
  CHECK(page.more);
  filter.visible_to.tenant_id = "t";
  page = f.store().list_deliveries(filter, {});
  CHECK(page.total == 2);
  REQUIRE(page.items.size() == 2);
  CHECK(page.items[0].webhook_id == own.id);
  filter.webhook_id = all.id;
  CHECK(f.store().list_deliveries(filter, {}).items.empty());
  filter.visible_to.tenant_id = "";  // has none
  CHECK(ids_of(f.store().list_deliveries(filter, {})) == Ids{4, 3, 1});
  filter = {};
  f.deliver(all.id, kFailed);
  f.deliver(own.id, kFailed);
  f.deliver(all.id, kFailed);
  filter.status = kFailed;
  page = f.store().list_deliveries(filter, {2, 2});
  CHECK(page.total == 3);
  CHECK(page.items.size() == 1);
  filter.event_type = "user.created";
  CHECK(f.store().list_deliveries(filter, {}).total == 3);
}

TEST_CASE("a retry by hand makes an ended delivery pending, due at once and manual") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, kFailed);
  f.now += seconds{60};
  CHECK(f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context()) ==
        RetryOutcome::retried);
  const Delivery delivery = f.delivery(id);
  CHECK(delivery.status == kPending);
  CHECK(delivery.next_attempt_at == f.now);
  CHECK(delivery.attempt_count == 1);
  CHECK_FALSE(delivery.completed_at);
  CHECK(f.found(webhook.id).backlog == 1);
  CHECK(f.list(webhook.id, kFailed).total == 0);
  const Claim claim = f.claim(webhook.id);
  REQUIRE(claim.deliveries.size() == 1);
  CHECK(claim.deliveries.front().trigger == Trigger::manual);
  CHECK(claim.deliveries.front().attempt_number == 2);
  f.finish(webhook.id, claim.deliveries.front(), kPending, seconds{5});
  f.now += seconds{5};
  CHECK(f.claim(webhook.id).deliveries.front().trigger == Trigger::automatic);
}

TEST_CASE("a retry by hand past the last attempt raises how many there may be") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.retry_schedule = {seconds{1}};
  const Webhook webhook = f.add(settings);
  f.publish_many(2);
  const DeliveryId id = f.deliver(webhook.id, kFailed);
  const auto retry = [&] {
    f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context());
    const Claim claim = f.claim(webhook.id, 1, Claimable::manual_only);
    f.finish(webhook.id, claim.deliveries.at(0), kFailed);
    CHECK(claim.deliveries.front().max_attempts == f.delivery(id).max_attempts);
  };
  retry();
  CHECK(f.delivery(id).max_attempts == 2);  // the schedule allowed this one
  retry();
  CHECK(f.delivery(id).attempt_count == 3);
  CHECK(f.delivery(id).max_attempts == 3);
  CHECK(f.delivery(DeliveryId{2}).max_attempts == 2);
}

TEST_CASE("a retry by hand of a waiting delivery makes it due now") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, kPending);
  CHECK(f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context()) ==
        RetryOutcome::retried);
  CHECK(f.claim(webhook.id, 1, Claimable::manual_only).deliveries.size() == 1);
  CHECK(f.found(webhook.id).backlog == 1);
}

TEST_CASE("what may not be retried says why and stays as it is") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  const Webhook other = f.add([] {
    WebhookSettings settings = settings_for("b");
    settings.events = {"group.*"};
    return settings;
  }());
  f.publish_many(2);
  const DeliveryId done = f.deliver(webhook.id, kSucceeded);
  const DeliveryId flying = f.claim(webhook.id, 1).deliveries.front().id;
  const auto retry = [&](const WebhookId& id, DeliveryId delivery,
                         RetrySucceeded succeeded = RetrySucceeded::refuse) {
    return f.store().retry_delivery(id, delivery, succeeded, f.context());
  };
  CHECK(retry(webhook.id, done) == RetryOutcome::already_succeeded);
  CHECK(f.delivery(done).status == kSucceeded);
  CHECK(retry(webhook.id, flying) == RetryOutcome::in_flight);
  CHECK(retry(webhook.id, DeliveryId{99}) == RetryOutcome::not_found);
  CHECK(retry(other.id, done) == RetryOutcome::not_found);
  CHECK(retry(webhook_id(77), done) == RetryOutcome::not_found);
  CHECK(retry(webhook.id, done, RetrySucceeded::allow) == RetryOutcome::retried);
  CHECK(f.delivery(done).status == kPending);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  CHECK(retry(webhook.id, done) == RetryOutcome::webhook_disabled);
  CHECK(f.delivery(done).status == kCancelled);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  CHECK(retry(webhook.id, done) == RetryOutcome::retried);
}

TEST_CASE("only what waits can be cancelled") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  const auto cancel = [&](const WebhookId& id, std::int64_t delivery) {
    return f.store().cancel_delivery(id, DeliveryId{delivery}, f.context());
  };
  f.claim(webhook.id, 1);
  CHECK(cancel(webhook.id, 1) == CancelOutcome::not_pending);
  CHECK(cancel(webhook.id, 2) == CancelOutcome::cancelled);
  CHECK(cancel(webhook.id, 2) == CancelOutcome::not_pending);
  CHECK(cancel(webhook.id, 3) == CancelOutcome::not_found);
  CHECK(cancel(webhook_id(77), 1) == CancelOutcome::not_found);
  const Delivery cancelled = f.delivery(DeliveryId{2});
  CHECK(cancelled.status == kCancelled);
  CHECK(cancelled.completed_at == f.now);
  CHECK_FALSE(cancelled.next_attempt_at);
  CHECK(f.claim(webhook.id).deliveries.empty());
}

TEST_CASE("a test is in flight at once, listed, and counts in no backlog or stats") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.status = WebhookStatus::disabled;
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  const auto claimed = f.store().begin_test(webhook.id, event_of("t", "webhook.test"), f.context());
  REQUIRE(claimed);
  CHECK(claimed->trigger == Trigger::test);
  CHECK(claimed->attempt_number == 1);
  CHECK(claimed->max_attempts == 1);
  CHECK(claimed->body == event_of("t", "webhook.test").body);
  CHECK(f.delivery(claimed->id).status == kInFlight);
  CHECK(f.found(webhook.id).backlog == 0);
  CHECK_FALSE(f.found(webhook.id).head_delivery_id);
  f.finish(webhook.id, *claimed, kPending);
  CHECK(f.delivery(claimed->id).status == kFailed);
  CHECK(f.store().delivery_detail(claimed->id)->attempts.size() == 1);
  CHECK(f.list(webhook.id).total == 1);
  CHECK(f.list(webhook.id, kFailed).total == 1);
  const auto stats = f.store().stats(webhook.id, std::chrono::hours{1}, f.now);
  CHECK(stats->total == 0);
  CHECK(stats->attempts == 0);
  CHECK(stats->failed == 0);
  CHECK_FALSE(f.store().begin_test(webhook_id(77), event_of("u"), f.context()));
}

TEST_CASE("a test does not stand in the way of an ordered webhook") {
  StoreFixture f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  f.store().begin_test(webhook.id, event_of("t", "webhook.test"), f.context());
  f.publish_many(1);
  CHECK(f.claim(webhook.id).deliveries.size() == 1);
}

TEST_CASE("a test is never retried") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  const auto test = f.store().begin_test(webhook.id, event_of("t", "webhook.test"), f.context());
  f.finish(webhook.id, *test, kFailed);
  CHECK(f.store().retry_delivery(webhook.id, test->id, RetrySucceeded::allow, f.context()) ==
        RetryOutcome::is_test);
  CHECK(f.claim(webhook.id).deliveries.empty());
  CHECK(f.delivery(test->id).status == kFailed);
}

TEST_CASE("a test that was in flight at a crash has failed") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  const auto claimed = f.store().begin_test(webhook.id, event_of("t", "webhook.test"), f.context());
  f.restart();
  CHECK(f.delivery(claimed->id).status == kFailed);
  const auto detail = f.store().delivery_detail(claimed->id);
  REQUIRE(detail->attempts.size() == 1);
  CHECK(detail->attempts.front().trigger == Trigger::test);
  CHECK(detail->attempts.front().error->kind == ErrorKind::interrupted);
}

TEST_CASE("delivery ids are never used again") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(3);
  f.store().delete_webhook(webhook.id, f.context());
  f.tidy();
  f.restart();
  const Webhook next = f.add("b");
  f.publish_many(1);
  CHECK(ids_of(f.list(next.id)) == Ids{4});
}

}  // namespace
}  // namespace webhookd::test
