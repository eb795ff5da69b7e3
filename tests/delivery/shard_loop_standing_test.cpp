// Places that stand: publications fill them without a claim of their own.

#include <catch2/catch.hpp>

#include "delivery/loop_bench.h"

namespace webhookd {
namespace {

using namespace std::chrono_literals;

Endpoint small_endpoint(char name = 'a') {
  Endpoint endpoint = make_endpoint(name, "http://192.0.2.1/");
  endpoint.max_in_flight = 4;
  return endpoint;
}

// Lets so many attempts succeed.
void warm_up(LoopBench& bench, const WebhookId& id, int count = 4) {
  for (int i = 0; i < count; ++i) {
    bench.publish(id);
    bench.run();
    bench.end_first(200);
  }
}

TEST_CASE("an endpoint that succeeds gets what is published without claims of each") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  REQUIRE(bench.store.standing(endpoint.id) > 0);
  const std::size_t claims = bench.store.claims().size();
  warm_up(bench, endpoint.id, 40);
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 44);
  CHECK(bench.store.claims().size() - claims <= 20);
}

TEST_CASE("an endpoint that has never succeeded has no places that stand") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  bench.publish(endpoint.id);
  bench.run();
  CHECK(bench.store.standing(endpoint.id) == 0);
  bench.end_first(500);
  CHECK(bench.store.standing(endpoint.id) == 0);
}

TEST_CASE("neither order nor a rate limit leaves places standing") {
  LoopBench bench;
  Endpoint ordered = small_endpoint('a');
  ordered.ordered = true;
  Endpoint limited = small_endpoint('b');
  limited.rate_limit_per_second = 1000;
  for (const Endpoint& endpoint : {ordered, limited}) {
    bench.adopt(endpoint);
    for (int i = 0; i < 10; ++i) {
      bench.advance(1s);
      warm_up(bench, endpoint.id, 1);
    }
    CHECK(bench.store.standing(endpoint.id) == 0);
  }
}

TEST_CASE("never is more under way than the endpoint's limit, and nothing is left behind") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  for (int i = 0; i < 100; ++i) {
    bench.publish(endpoint.id);
    bench.run();
    REQUIRE(bench.running() <= 4);
    if (i % 3 == 0) bench.end_first(200);
  }
  while (bench.running() > 0) {
    bench.end_first(200);
    REQUIRE(bench.running() <= 4);
  }
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 104);
}

TEST_CASE("a smaller cap withdraws the places that stand, and what is published then waits") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  REQUIRE(bench.store.standing(endpoint.id) > 2);
  bench.change(endpoint.id, [](Endpoint& e) { e.max_in_flight = 1; });
  bench.run();
  CHECK(bench.store.standing(endpoint.id) == 0);
  bench.publish_many(endpoint.id, 6);
  bench.run();
  CHECK(bench.running() == 1);
  CHECK(bench.store.count(DeliveryStatus::in_flight) <= 2);
  while (bench.running() > 0) bench.end_first(200);
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 10);
}

TEST_CASE("a claim that was under way when the cap was made smaller leaves no place standing") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  bench.publish(endpoint.id);
  bench.run();
  bench.store_is_slow = true;
  bench.end_first(200);
  REQUIRE(bench.waiting_turns() > 0);
  bench.change(endpoint.id, [](Endpoint& e) { e.max_in_flight = 1; });
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.store.standing(endpoint.id) <= 1);
}

TEST_CASE("what is in hand goes back at once when the cap is made smaller") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  bench.publish_many(endpoint.id, 8);
  bench.run();
  REQUIRE(bench.running() == 4);
  REQUIRE(bench.store.count(DeliveryStatus::in_flight) > 4);
  bench.change(endpoint.id, [](Endpoint& e) { e.max_in_flight = 1; });
  bench.run();
  CHECK(bench.running() == 4);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 4);
}

TEST_CASE("what arrives for a webhook that was paused meanwhile goes back") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  bench.mail_is_slow = true;
  const DeliveryId id = bench.publish(endpoint.id);
  bench.run();
  REQUIRE(bench.running() == 0);
  bench.change(endpoint.id, [](Endpoint& e) { e.status = WebhookStatus::paused; });
  bench.bring_mail();
  bench.run();
  CHECK(bench.running() == 0);
  CHECK(bench.store.row(id).status == DeliveryStatus::pending);
}

TEST_CASE("what was claimed under another generation is not sent") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  bench.mail_is_slow = true;
  const DeliveryId id = bench.publish(endpoint.id);
  bench.run();
  Endpoint rebound = *bench.store.endpoint(endpoint.id);
  ++rebound.generation;
  bench.store_is_slow = true;
  bench.loop().refresh(endpoint.id, rebound, bench.now());
  bench.bring_mail();
  bench.run();
  CHECK(bench.running() == 0);
  // Given back, and claimed again under the new one.
  bench.answer_store();
  bench.run();
  CHECK(bench.running() == 1);
  CHECK(bench.store.row(id).status == DeliveryStatus::in_flight);
}

TEST_CASE("what arrives for a deleted webhook is forgotten") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  bench.mail_is_slow = true;
  bench.publish(endpoint.id);
  bench.store.remove(endpoint.id);
  bench.refresh(endpoint.id);
  bench.bring_mail();
  bench.run();
  CHECK(bench.running() == 0);
}

TEST_CASE("after a failure that opens the circuit what arrives goes back and waits for the probe") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  while (bench.board.find(endpoint.id)->circuit == CircuitState::closed) {
    bench.publish(endpoint.id);
    bench.run();
    bench.end_all(500);
  }
  for (int i = 0; i < 40; ++i) bench.publish(endpoint.id);
  bench.run();
  CHECK(bench.running() == 0);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 0);
  CHECK(bench.store.standing(endpoint.id) == 0);
}

TEST_CASE("a loop that drains withdraws its places and gives back what had arrived") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  warm_up(bench, endpoint.id);
  REQUIRE(bench.store.standing(endpoint.id) > 0);
  bench.mail_is_slow = true;
  const DeliveryId before = bench.publish(endpoint.id);
  bench.loop().stop_starting(bench.now());
  CHECK_FALSE(bench.loop().is_idle());
  bench.bring_mail();
  bench.run();
  CHECK(bench.loop().is_idle());
  CHECK(bench.store.standing(endpoint.id) == 0);
  CHECK(bench.store.row(before).status == DeliveryStatus::pending);
  CHECK(bench.store.row(bench.publish(endpoint.id)).status == DeliveryStatus::pending);
}

TEST_CASE("a renewal that the budget does not allow makes no retry forgotten") {
  ShardLoopOptions options = LoopBench::usual_options();
  options.claimed_bytes = 1024 * 1024;
  LoopBench bench(options);
  const Endpoint endpoint = make_endpoint('a', "http://192.0.2.1/");
  const Endpoint other = make_endpoint('b', "http://192.0.2.2/");
  bench.adopt(endpoint);
  bench.adopt(other);
  bench.publish_many(endpoint.id, 3);
  bench.run();
  REQUIRE(bench.running_to(endpoint.url) == 3);
  bench.publish(other.id, std::string(2 * 1024 * 1024, 'x'));  // takes all the bytes, and hangs
  bench.run();
  REQUIRE(bench.running() == 4);
  bench.end_first(500);  // its retry is due in 5 s
  bench.end_first(200);
  bench.end_first(200);  // two successes: half of its places may stand
  bench.advance(5s);
  CHECK(bench.running_to(endpoint.url) == 1);
}

TEST_CASE("where the store leaves no place standing none is asked for again and again") {
  LoopBench bench;
  const Endpoint endpoint = small_endpoint();
  bench.adopt(endpoint);
  bench.store.hand_fresh_claims_to(nullptr);  // the fake leaves none standing then
  warm_up(bench, endpoint.id, 1);
  CHECK(bench.store.claims().size() <= 3);
}

TEST_CASE("many endpoints share the places that may stand") {
  LoopBench bench;
  Endpoint first = small_endpoint();
  bench.adopt(first);
  for (int i = 0; i < 20'000; ++i) {
    Endpoint other = make_endpoint('b');
    other.id = {"whk_" + std::to_string(1'000'000 + i)};
    bench.loop().adopt(other, bench.now());
  }
  warm_up(bench, first.id);
  CHECK(bench.store.standing(first.id) == 0);
}

}  // namespace
}  // namespace webhookd
