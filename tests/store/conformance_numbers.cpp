#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void finish_in(StoreFixture& f, const WebhookId& id, milliseconds duration,
               std::optional<int> response) {
  const Claim claim = f.claim(id, 1);
  REQUIRE(claim.deliveries.size() == 1);
  const bool good = response == 200;
  AttemptResult result =
      result_of(id, claim.deliveries.front(),
                good ? DeliveryStatus::succeeded : DeliveryStatus::failed, f.now);
  result.attempt.duration = duration;
  result.attempt.response_status = response;
  if (!response) result.attempt.error = DeliveryError{ErrorKind::timeout, "too slow"};
  QueueTurn turn;
  turn.results.push_back(result);
  f.store().queue_turn(turn, f.now);
}

TEST_CASE("stats say what happened within the window and what waits now") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(6);
  finish_in(f, webhook.id, milliseconds{10}, 200);
  finish_in(f, webhook.id, milliseconds{30}, 200);
  finish_in(f, webhook.id, milliseconds{20}, 500);
  finish_in(f, webhook.id, milliseconds{15'000}, std::nullopt);
  f.claim(webhook.id, 1);
  const auto stats = f.store().stats(webhook.id, hours{24}, f.now);
  REQUIRE(stats);
  CHECK(stats->total == 6);
  CHECK(stats->succeeded == 2);
  CHECK(stats->failed == 2);
  CHECK(stats->pending == 1);
  CHECK(stats->in_flight == 1);
  CHECK(stats->attempts == 4);
  CHECK(stats->status_codes ==
        std::map<std::string, std::int64_t>{{"200", 2}, {"500", 1}, {"timeout", 1}});
  CHECK(stats->latency_avg_ms == Approx(20.0));
  CHECK(stats->latency_p50_ms == Approx(20.0).epsilon(0.1));
  CHECK(stats->latency_p99_ms == Approx(30.0).epsilon(0.1));
  CHECK(stats->oldest_pending_at == f.now);
  CHECK_FALSE(f.store().stats(webhook_id(77), hours{1}, f.now));
}

TEST_CASE("a webhook nothing has happened to has empty stats") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  const auto stats = f.store().stats(webhook.id, hours{1}, f.now);
  REQUIRE(stats);
  CHECK(stats->total == 0);
  CHECK_FALSE(stats->latency_avg_ms);
  CHECK_FALSE(stats->latency_p50_ms);
  CHECK_FALSE(stats->oldest_pending_at);
  CHECK(stats->status_codes.empty());
}

TEST_CASE("a series cuts its window into points that add up to it and end with now") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(3);
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  f.now += minutes{30};
  f.deliver(webhook.id, DeliveryStatus::failed);
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  const auto check = [&](hours window, std::size_t points, seconds step) {
    const auto stats = f.store().stats(webhook.id, window, f.now);
    REQUIRE(stats->series.size() == points);
    std::int64_t succeeded = 0;
    for (std::size_t index = 0; index < points; ++index) {
      succeeded += stats->series[index].succeeded;
      if (index > 0) {
        CHECK(stats->series[index].start - stats->series[index - 1].start == step);
      }
    }
    CHECK(succeeded == 2);
    CHECK(stats->succeeded == 2);
    CHECK(stats->series.back().failed == 1);
    CHECK(stats->series.back().start <= f.now);
    CHECK(stats->series.back().start + step > f.now);
  };
  check(hours{1}, 12, minutes{5});
  check(hours{24}, 24, hours{1});
  check(hours{7 * 24}, 28, hours{6});
  check(hours{30 * 24}, 30, hours{24});
}

TEST_CASE("what lies before the window counts in longer windows only") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  f.now += hours{3};
  CHECK(f.store().stats(webhook.id, hours{1}, f.now)->total == 0);
  CHECK(f.store().stats(webhook.id, hours{24}, f.now)->total == 1);
  f.now += hours{3 * 24};
  f.tidy();
  CHECK(f.store().stats(webhook.id, hours{24}, f.now)->succeeded == 0);
  CHECK(f.store().stats(webhook.id, hours{7 * 24}, f.now)->succeeded == 1);
  f.now += hours{20 * 24};
  f.tidy();
  CHECK(f.store().stats(webhook.id, hours{7 * 24}, f.now)->succeeded == 0);
  CHECK(f.store().stats(webhook.id, hours{30 * 24}, f.now)->latency_p50_ms);
}

TEST_CASE("the oldest that waits is the one that was created first, whatever is due first") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  f.deliver(webhook.id, DeliveryStatus::pending);
  f.now += seconds{3};
  f.publish_many(1);
  CHECK(f.store().stats(webhook.id, hours{1}, f.now)->oldest_pending_at == kStart);
  CHECK(f.store().status().oldest_pending_at == kStart);
}

TEST_CASE("a delivery that is retried by hand counts once, as what it has become") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(1);
  const DeliveryId id = f.deliver(webhook.id, DeliveryStatus::failed);
  const auto check = [&](std::int64_t succeeded, std::int64_t failed, std::int64_t pending) {
    for (const hours window : {hours{1}, hours{24}, hours{7 * 24}}) {
      const auto stats = f.store().stats(webhook.id, window, f.now);
      CHECK(stats->total == 1);
      CHECK(stats->succeeded == succeeded);
      CHECK(stats->failed == failed);
      CHECK(stats->pending == pending);
      std::int64_t points = 0;
      for (const Stats::Point& point : stats->series) points += point.succeeded + point.failed;
      CHECK(points == succeeded + failed);
    }
  };
  check(0, 1, 0);
  f.now += minutes{10};
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context());
  check(0, 0, 1);
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  check(1, 0, 0);
  f.now += minutes{10};
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::allow, f.context());
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  check(1, 0, 0);
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::allow, f.context());
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::allow, f.context());
  check(0, 0, 1);
  CHECK(f.store().stats(webhook.id, hours{24}, f.now)->attempts == 3);
}

TEST_CASE("a retry by hand of what ended long ago makes no count negative") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  const DeliveryId id = f.deliver(webhook.id, DeliveryStatus::failed);
  f.deliver(webhook.id, DeliveryStatus::failed);
  f.now += hours{90 * 24} - seconds{1};  // its numbers are gone, and it is not
  f.tidy();
  f.store().retry_delivery(webhook.id, id, RetrySucceeded::refuse, f.context());
  f.now = kStart + hours{1};
  const auto stats = f.store().stats(webhook.id, hours{7 * 24}, f.now);
  CHECK(stats->failed == 0);
  CHECK(stats->succeeded == 0);
}

TEST_CASE("stats survive a restart") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  f.restart();
  const auto stats = f.store().stats(webhook.id, hours{1}, f.now);
  CHECK(stats->succeeded == 1);
  CHECK(stats->pending == 1);
}

TEST_CASE("the status of the store counts webhooks and what waits") {
  StoreFixture f;
  StoreStatus status = f.store().status();
  CHECK(status.webhooks == 0);
  CHECK(status.backlog == 0);
  CHECK_FALSE(status.oldest_pending_at);
  CHECK_FALSE(status.kind.empty());
  CHECK_FALSE(status.schema_version.empty());
  const Webhook webhook = f.add("a");
  f.add("b");
  f.publish_many(2);
  f.deliver(webhook.id, DeliveryStatus::succeeded);
  f.claim(webhook.id, 1);
  status = f.store().status();
  CHECK(status.webhooks == 2);
  CHECK(status.backlog == 3);
  CHECK(status.size_bytes > 0);
  CHECK(status.free_bytes > 0);
}

TEST_CASE("a store that can be written says so") {
  StoreFixture f;
  CHECK_NOTHROW(f.store().check_writable(f.now));
  CHECK_NOTHROW(f.store().check_writable(f.now));
}

}  // namespace
}  // namespace webhookd::test
