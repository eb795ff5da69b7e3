// What a loop tells the store about a webhook as a whole.

#include <catch2/catch.hpp>

#include "delivery/long_failure.h"
#include "delivery/loop_bench.h"

namespace webhookd {

using namespace std::chrono_literals;

namespace {

Endpoint without_retries(char name) {
  Endpoint endpoint = make_endpoint(name);
  endpoint.retry_schedule.emplace();
  return endpoint;
}

void fail(LoopBench& bench, const WebhookId& id) {
  bench.publish(id);
  bench.run();
  // As far away as an open circuit may put it.
  for (int i = 0; bench.running() == 0 && i < 10; ++i) bench.advance(60s);
  bench.end_first(500);
}

WebhookStatus status_of(const LoopBench& bench, const WebhookId& id) {
  return bench.store.stored(id).status;
}

}  // namespace

TEST_CASE("five days of failures and ten of them disable the webhook, and say why") {
  LoopBench bench;
  const Endpoint endpoint = without_retries('a');
  bench.adopt(endpoint);
  for (int i = 0; i < 9; ++i) fail(bench, endpoint.id);
  bench.advance(5 * 24h);
  REQUIRE(status_of(bench, endpoint.id) == WebhookStatus::active);
  fail(bench, endpoint.id);
  CHECK(status_of(bench, endpoint.id) == WebhookStatus::disabled);
  REQUIRE(bench.store.disablings().size() == 1);
  const Disabling disabling = bench.store.disablings().front();
  CHECK(disabling.reason ==
        "every attempt has failed for 5 days, 10 in a row; the last: the receiver answered 500");
  CHECK(is_event_id(disabling.event_id));
  CHECK(bench.store.stored(endpoint.id).health.consecutive_failures == 10);
}

TEST_CASE("less than five days of failures, or fewer than ten, disable nothing") {
  LoopBench bench;
  const Endpoint many = without_retries('a');
  const Endpoint few = without_retries('b');
  bench.adopt(many);
  bench.adopt(few);
  fail(bench, few.id);
  for (int i = 0; i < 20; ++i) fail(bench, many.id);
  bench.advance(4 * 24h);
  fail(bench, many.id);
  CHECK(status_of(bench, many.id) == WebhookStatus::active);
  bench.advance(4 * 24h);
  for (int i = 0; i < 8; ++i) fail(bench, few.id);
  CHECK(status_of(bench, few.id) == WebhookStatus::active);
  fail(bench, few.id);
  CHECK(status_of(bench, few.id) == WebhookStatus::disabled);
}

TEST_CASE("a success in between begins the five days anew") {
  LoopBench bench;
  const Endpoint endpoint = without_retries('a');
  bench.adopt(endpoint);
  for (int i = 0; i < 4; ++i) fail(bench, endpoint.id);
  bench.advance(4 * 24h);
  bench.publish(endpoint.id);
  bench.run();
  bench.end_first(200);
  CHECK(bench.store.stored(endpoint.id).health.failing_for == 0ms);
  for (int i = 0; i < 12; ++i) fail(bench, endpoint.id);
  bench.advance(4 * 24h);
  fail(bench, endpoint.id);
  CHECK(status_of(bench, endpoint.id) == WebhookStatus::active);
}

TEST_CASE("a clock that is set forward does not make the five days shorter") {
  LoopBench bench;
  const Endpoint endpoint = without_retries('a');
  bench.adopt(endpoint);
  for (int i = 0; i < 10; ++i) fail(bench, endpoint.id);
  bench.set_wall_clock(30 * 24h);
  fail(bench, endpoint.id);
  CHECK(status_of(bench, endpoint.id) == WebhookStatus::active);
  CHECK(bench.store.stored(endpoint.id).health.failing_for < 24h);
}

TEST_CASE("time in which the daemon did not run is no time of failing") {
  LoopBench bench;
  Endpoint endpoint = without_retries('a');
  endpoint.health.consecutive_failures = 30;
  endpoint.health.failing_since = bench.now().wall - 30 * 24h;
  endpoint.health.failing_for = 5 * 24h - 1h;
  bench.adopt(endpoint);
  fail(bench, endpoint.id);
  CHECK(status_of(bench, endpoint.id) == WebhookStatus::active);
  bench.advance(1h);
  fail(bench, endpoint.id);
  CHECK(status_of(bench, endpoint.id) == WebhookStatus::disabled);
}

TEST_CASE("a test send adds to no failure") {
  LoopBench bench;
  Endpoint endpoint = without_retries('a');
  endpoint.health.consecutive_failures = 30;
  endpoint.health.failing_since = bench.now().wall;
  endpoint.health.failing_for = 5 * 24h;
  bench.adopt(endpoint);
  ClaimedDelivery test{{99}, "evt_t", "webhook.test", 1, 1, Trigger::test, bench.now().wall, "{}"};
  bench.loop().send_test({endpoint, test, [](const AttemptResult&) {}}, bench.now());
  bench.end_first(500);
  CHECK(bench.store.disablings().empty());
  CHECK(bench.store.stored(endpoint.id).health.consecutive_failures == 30);
}

TEST_CASE("a success after the circuit was open is announced, one before is not") {
  LoopBench bench;
  const Endpoint endpoint = without_retries('a');
  bench.adopt(endpoint);
  for (int i = 0; i < 4; ++i) fail(bench, endpoint.id);
  bench.publish(endpoint.id);
  bench.run();
  bench.end_first(200);
  CHECK(bench.store.recoveries().empty());
  for (int i = 0; i < 6; ++i) fail(bench, endpoint.id);
  const auto failing_since = bench.store.stored(endpoint.id).health.failing_since;
  bench.publish(endpoint.id);
  bench.advance(60s);
  bench.end_first(200);
  REQUIRE(bench.store.recoveries().size() == 1);
  const Recovery recovery = bench.store.recoveries().front();
  CHECK(recovery.webhook == endpoint.id);
  CHECK(recovery.consecutive_failures == 6);
  CHECK(recovery.failing_since == failing_since);
  CHECK(recovery.recovered_at == bench.now().wall);
  CHECK(is_event_id(recovery.event_id));
  bench.publish(endpoint.id);
  bench.run();
  bench.end_first(200);
  CHECK(bench.store.recoveries().size() == 1);
}

TEST_CASE("a circuit that was open before a restart is announced when it closes") {
  LoopBench bench;
  Endpoint endpoint = without_retries('a');
  endpoint.health.consecutive_failures = 9;
  endpoint.health.failing_since = bench.now().wall - 1h;
  endpoint.health.next_probe_at = bench.now().wall - 1s;
  bench.adopt(endpoint);
  bench.publish(endpoint.id);
  bench.run();
  bench.end_first(200);
  REQUIRE(bench.store.recoveries().size() == 1);
  CHECK(bench.store.recoveries().front().consecutive_failures == 9);
}

TEST_CASE("410 is announced once, however many attempts end with it") {
  LoopBench bench;
  const Endpoint endpoint = without_retries('a');
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 5);
  bench.run();
  bench.end_all(410);
  CHECK(bench.store.disablings().size() == 1);
}

}  // namespace webhookd
