// What one webhook's backlog costs another: nothing.

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr int kBacklog = 100'000;

WebhookSettings wanting(const std::string& name, const std::string& type) {
  WebhookSettings settings = settings_for(name);
  settings.events = {type};
  return settings;
}

// The shortest of several: what else runs on the machine makes it only longer.
template <typename Work>
nanoseconds time_of(Work work) {
  nanoseconds best = nanoseconds::max();
  for (int i = 0; i < 30; ++i) {
    const auto began = std::chrono::steady_clock::now();
    work();
    best = std::min<nanoseconds>(best, std::chrono::steady_clock::now() - began);
  }
  return best;
}

TEST_CASE("a backlog of a hundred thousand costs another webhook's first delivery nothing") {
  StoreFixture f;
  const Webhook crowded = f.add(wanting("crowded", "user.created"));
  const Webhook other = f.add(wanting("other", "group.created"));
  int events = 0;
  const auto first_delivery = [&] {
    f.publish(event_of("g" + std::to_string(++events), "group.created"));
    f.deliver(other.id, kSucceeded);
  };
  const nanoseconds alone = time_of(first_delivery);
  for (int made = 0; made < kBacklog; made += 1000) f.publish_many(1000);
  REQUIRE(f.found(crowded.id).backlog == kBacklog);
  // Four fsyncs and some milliseconds: a walk over the backlog would take a hundred.
  CHECK(time_of(first_delivery) < 4 * alone + std::chrono::milliseconds{5});

  // Its own claims cost what they bring, not what waits behind them.
  const auto one_of_many = [&] { f.deliver(crowded.id, kSucceeded); };
  CHECK(time_of(one_of_many) < 4 * alone + std::chrono::milliseconds{5});
}

TEST_CASE("a backlog whose retries are hours away costs its own webhook's next delivery nothing") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  const auto deliver_new = [&] {
    f.publish_many(1);
    f.deliver(webhook.id, kSucceeded);
  };
  const nanoseconds alone = time_of(deliver_new);
  for (int made = 0; made < 20'000; made += 1000) {
    f.publish_many(1000);
    const Claim claim = f.claim(webhook.id, 1000);
    QueueTurn turn;
    for (const ClaimedDelivery& claimed : claim.deliveries) {
      turn.results.push_back(result_of(webhook.id, claimed, kPending, f.now));
      turn.results.back().attempt.next_attempt_at = f.now + seconds{3600};
    }
    f.store().queue_turn(turn, f.now);
  }
  CHECK(time_of(deliver_new) < 4 * alone + std::chrono::milliseconds{5});
}

}  // namespace
}  // namespace webhookd::test
