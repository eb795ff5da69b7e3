#include <catch2/catch.hpp>
#include <random>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr DeliveryStatus kAllStatuses[] = {kPending, kInFlight, kSucceeded, kFailed, kCancelled};

// Counts rows: a list that is bounded in time has no kept number to tell.
std::int64_t recount(StoreFixture& f, const WebhookId& id, std::optional<DeliveryStatus> status) {
  DeliveryFilter filter;
  filter.webhook_id = id;
  filter.status = status;
  filter.since = Timestamp{};
  return f.store().list_deliveries(filter, {1, 1}).total;
}

std::int64_t kept(StoreFixture& f, const WebhookId& id, std::optional<DeliveryStatus> status) {
  DeliveryFilter filter;
  filter.webhook_id = id;
  filter.status = status;
  return f.store().list_deliveries(filter, {1, 1}).total;
}

// Does what may happen to the deliveries of a few webhooks, at random, and knows what its tests
// have added.
class RandomTraffic {
 public:
  RandomTraffic(StoreFixture& f, unsigned seed) : f_(f), chance_(seed) {
    for (const char* name : {"a", "b", "c"}) ids_.push_back(f.add(name).id);
  }

  void step() {
    const WebhookId& id = ids_[below(ids_.size())];
    switch (below(9)) {
      case 0:
      case 1:
        events_ += static_cast<std::int64_t>(published(1 + static_cast<int>(below(4))));
        return;
      case 2:
        for (auto& delivery : f_.claim(id, 3).deliveries) {
          in_flight_.emplace_back(id, std::move(delivery));
        }
        return;
      case 3:
      case 4:
        return finish_one();
      case 5:
        return test(id);
      case 6:
        retry_or_cancel(id);
        return;
      case 7:
        f_.now += seconds{below(40)};
        return;
      default:
        return turn_off_and_on(id);
    }
  }

  void check() {
    std::int64_t backlog = 0;
    for (const WebhookId& id : ids_) {
      CAPTURE(id.value);
      CHECK(kept(f_, id, std::nullopt) == recount(f_, id, std::nullopt));
      for (const DeliveryStatus status : kAllStatuses) {
        CAPTURE(static_cast<int>(status));
        CHECK(kept(f_, id, status) == recount(f_, id, status));
      }
      const std::int64_t waiting = recount(f_, id, kPending) + recount(f_, id, kInFlight);
      CHECK(f_.found(id).backlog == waiting);
      backlog += waiting;
      check_stats(id);
      check_events(id);
    }
    CHECK(f_.store().status().backlog == backlog);
  }

 private:
  std::size_t below(std::size_t end) { return chance_() % end; }

  int published(int count) {
    f_.publish_many(count);
    return count;
  }

  void finish_one() {
    if (in_flight_.empty()) return;
    const auto [id, claimed] = in_flight_.back();
    in_flight_.pop_back();
    const DeliveryStatus ends[] = {kSucceeded, kFailed, kPending};
    f_.finish(id, claimed, ends[below(3)], seconds{1});
  }

  void test(const WebhookId& id) {
    const auto claimed = f_.store().begin_test(
        id, event_of("test_" + std::to_string(++tests_), "webhook.test"), f_.context());
    REQUIRE(claimed);
    const bool good = below(2) == 0;
    f_.finish(id, *claimed, good ? kSucceeded : kFailed);
    ++(good ? good_tests_ : bad_tests_)[id];
  }

  void retry_or_cancel(const WebhookId& id) {
    const DeliveryPage page = f_.list(id);
    if (page.items.empty()) return;
    const DeliveryId delivery = page.items[below(page.items.size())].id;
    if (below(2) == 0) {
      f_.store().retry_delivery(id, delivery, RetrySucceeded::allow, f_.context());
    } else {
      f_.store().cancel_delivery(id, delivery, f_.context());
    }
  }

  // What waits is cancelled; the answer's backlog is of after that.
  void turn_off_and_on(const WebhookId& id) {
    const Webhook off =
        f_.change(id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
    CHECK(off.backlog == recount(f_, id, kPending) + recount(f_, id, kInFlight));
    f_.change(id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  }

  void check_stats(const WebhookId& id) {
    const auto stats = f_.store().stats(id, hours{24}, f_.now);
    REQUIRE(stats);
    CHECK(stats->pending == recount(f_, id, kPending));
    CHECK(stats->in_flight == recount(f_, id, kInFlight));
    CHECK(stats->succeeded == recount(f_, id, kSucceeded) - good_tests_[id]);
    CHECK(stats->failed == recount(f_, id, kFailed) - bad_tests_[id]);
    CHECK(stats->total == recount(f_, id, std::nullopt) - good_tests_[id] - bad_tests_[id]);
    CHECK(f_.store().stats(id, hours{7 * 24}, f_.now)->succeeded == stats->succeeded);
    CHECK(f_.store().stats(id, hours{7 * 24}, f_.now)->attempts == stats->attempts);
  }

  // A replay finds every event where it is said to be.
  void check_events(const WebhookId& id) {
    ReplayBatch batch;
    batch.webhook = id;
    batch.since = kStart;
    batch.limit = 1000;
    batch.dry_run = DryRun::yes;
    const ReplayResult found = f_.store().replay_events(batch, {}, f_.context());
    CHECK(found.sum.matched == events_);
  }

  StoreFixture& f_;
  std::mt19937 chance_;
  std::vector<WebhookId> ids_;
  std::vector<std::pair<WebhookId, ClaimedDelivery>> in_flight_;
  std::int64_t events_ = 0;
  int tests_ = 0;
  std::map<WebhookId, std::int64_t> good_tests_;
  std::map<WebhookId, std::int64_t> bad_tests_;
};

TEST_CASE("kept numbers are those of the rows after each of many changes") {
  StoreFixture f;
  const unsigned seed = GENERATE(1U, 2U);
  CAPTURE(seed);
  RandomTraffic traffic(f, seed);
  for (int step = 0; step < 200; ++step) {
    CAPTURE(step);
    traffic.step();
    traffic.check();
  }
}

TEST_CASE("kept numbers are those of the rows before and after housekeeping and a restart") {
  StoreFixture f;
  RandomTraffic traffic(f, 3);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    for (int step = 0; step < 25; ++step) traffic.step();
    traffic.check();
    f.tidy();
    traffic.check();
  }
}

TEST_CASE("numbers that were never at rest survive a restart") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  for (int round = 0; round < 150; ++round) f.publish_many(1);
  f.deliver(webhook.id, kSucceeded);
  f.deliver(webhook.id, kFailed);
  for (int start = 0; start < 2; ++start) {
    f.restart();
    CHECK(f.found(webhook.id).backlog == 148);
    CHECK(f.list(webhook.id).total == 150);
    CHECK(f.store().stats(webhook.id, hours{1}, f.now)->total == 150);
    CHECK(f.store().stats(webhook.id, hours{1}, f.now)->failed == 1);
  }
}

TEST_CASE("a change's answer counts what was published just before it") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  f.publish_many(3);
  const Webhook changed = f.change(webhook.id, [](WebhookSettings& s) { s.description = "new"; });
  CHECK(changed.backlog == 3);
}

TEST_CASE("numbers of a webhook go with it, also those that are new") {
  StoreFixture f;
  const Webhook gone = f.add("gone");
  const Webhook stays = f.add("stays");
  f.publish_many(4);
  f.deliver(gone.id, kSucceeded);
  f.store().delete_webhook(gone.id, f.context());
  CHECK(f.store().status().backlog == 4);
  f.now += hours{1};
  f.tidy();
  f.publish_many(1);
  CHECK(f.store().status().backlog == 5);
  CHECK(f.found(stays.id).backlog == 5);
  CHECK_FALSE(f.store().stats(gone.id, hours{1}, f.now));
  f.restart();
  CHECK(f.store().status().backlog == 5);
}

}  // namespace
}  // namespace webhookd::test
