#include <catch2/catch.hpp>

#include "delivery/loop_bench.h"

namespace webhookd {

using namespace std::chrono_literals;

TEST_CASE("after five failures one delivery at a time is tried, each time another one") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 5;
  endpoint.retry_schedule = std::vector<std::chrono::seconds>(20, std::chrono::seconds{0});
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 50);
  bench.run();
  bench.advance(1ms);
  for (int i = 0; i < 5; ++i) bench.end_first(500);
  CHECK(bench.board.find(endpoint.id)->circuit == CircuitState::open);
  CHECK(bench.running() == 4);
  bench.end_all(500);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 0);
  bench.advance(9999ms);
  CHECK(bench.running() == 0);
  bench.advance(1ms);
  REQUIRE(bench.running() == 1);
  CHECK(bench.board.find(endpoint.id)->circuit == CircuitState::half_open);
  bench.advance(15s);
  CHECK(bench.running() == 1);
  bench.end_first(500);
  bench.advance(19'999ms);
  CHECK(bench.running() == 0);
  bench.advance(1ms);
  REQUIRE(bench.running() == 1);
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.attempts.size() <= 1);

  bench.end_first(200);
  CHECK(bench.board.find(endpoint.id)->circuit == CircuitState::closed);
  CHECK(bench.running() == 5);
}

TEST_CASE("an open circuit gives back what was claimed but not started") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 5;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 50);
  bench.run();
  for (int i = 0; i < 10; ++i) bench.end_first(200);
  REQUIRE(bench.store.count(DeliveryStatus::in_flight) > 5);
  for (int i = 0; i < 5; ++i) bench.end_first(500);
  bench.end_all(500);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 0);
}

TEST_CASE("a retry by hand passes an open circuit, and its success closes it") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 10);
  bench.run();
  bench.end_all(500);
  REQUIRE(bench.board.find(endpoint.id)->circuit == CircuitState::open);
  bench.retry_by_hand(endpoint.id, {3});
  bench.run();
  REQUIRE(bench.running() == 1);
  CHECK(bench.board.find(endpoint.id)->circuit == CircuitState::open);
  bench.end_first(200);
  CHECK(bench.store.row({3}).attempts.back().trigger == Trigger::manual);
  CHECK(bench.board.find(endpoint.id)->circuit == CircuitState::closed);
}

TEST_CASE("a rate limit spaces attempts out and claims no more than it may send") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.rate_limit_per_second = 2;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 10);
  bench.run();
  CHECK(bench.running() == 1);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 1);
  bench.end_all(200);
  CHECK(bench.running() == 0);
  bench.advance(499ms);
  CHECK(bench.running() == 0);
  bench.advance(1ms);
  CHECK(bench.running() == 1);
}

TEST_CASE("a retry by hand passes a rate limit and the backlog behind it") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.rate_limit_per_second = 1;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 100);
  bench.run();
  bench.end_all(200);
  bench.advance(1000ms);
  REQUIRE(bench.running() == 1);
  bench.end_all(200);
  bench.retry_by_hand(endpoint.id, {90});
  bench.run();
  bench.advance(1000ms);
  REQUIRE(bench.running() == 2);
  CHECK(bench.store.row({90}).status == DeliveryStatus::in_flight);
}

TEST_CASE("Retry-After on 429 or 503 holds the whole webhook") {
  const int status = GENERATE(429, 503);
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 1;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 5);
  bench.run();
  bench.end_first(status, {{"retry-after", "60"}});
  CHECK(bench.running() == 0);
  const EndpointState state = *bench.board.find(endpoint.id);
  CHECK(state.held_until == bench.now().wall + 60s);
  CHECK(state.hold_reason);
  CHECK(bench.store.stored(endpoint.id).health.held_until == bench.now().wall + 60s);
  bench.advance(59'999ms);
  CHECK(bench.running() == 0);
  bench.retry_by_hand(endpoint.id, {5});
  bench.run();
  REQUIRE(bench.running() == 1);
  bench.end_first(200);
  bench.advance(1ms);
  CHECK(bench.running() == 1);
}

TEST_CASE("Retry-After on another status delays that delivery alone") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 1;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 2);
  bench.run();
  bench.end_first(500, {{"Retry-After", "60"}});
  CHECK(bench.store.row({1}).due == bench.now().wall + 60s);
  CHECK(bench.running() == 1);
}

TEST_CASE("an ordered webhook sends one at a time, and a failing one holds back the rest") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.ordered = true;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 3);
  bench.run();
  REQUIRE(bench.running() == 1);
  bench.end_first(500);
  CHECK(bench.running() == 0);
  bench.advance(5s);
  REQUIRE(bench.running() == 1);
  CHECK(bench.store.row({1}).status == DeliveryStatus::in_flight);
  bench.end_first(200);
  REQUIRE(bench.running() == 1);
  CHECK(bench.store.row({2}).status == DeliveryStatus::in_flight);
  bench.end_first(200);
  bench.end_first(200);
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 3);
}

TEST_CASE("a retry by hand stands outside the order") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.ordered = true;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 3);
  bench.run();
  bench.retry_by_hand(endpoint.id, {3});
  bench.run();
  CHECK(bench.running() == 2);
}

TEST_CASE("410 fails the delivery for good and disables the webhook") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 1;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 3);
  bench.run();
  bench.end_first(410);
  CHECK(bench.store.row({1}).status == DeliveryStatus::failed);
  CHECK(bench.store.stored(endpoint.id).status == WebhookStatus::disabled);
  CHECK(bench.store.count(DeliveryStatus::cancelled) == 2);
  CHECK(bench.running() == 0);
}

TEST_CASE("enabling a disabled webhook takes over the health that the store cleared") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 5);
  bench.run();
  bench.end_all(410);
  REQUIRE(bench.board.find(endpoint.id)->circuit == CircuitState::open);
  bench.change(endpoint.id, [](Endpoint& e) {
    e.status = WebhookStatus::active;
    e.health = {};
  });
  CHECK(bench.board.find(endpoint.id)->circuit == CircuitState::closed);
}

TEST_CASE("a clock that is set back strands neither probes nor holds nor retries") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 6);
  bench.run();
  bench.end_all(500);
  REQUIRE(bench.board.find(endpoint.id)->circuit == CircuitState::open);
  bench.set_wall_clock(-24h);
  CHECK(bench.sleep() <= 1s);
  CHECK(bench.board.find(endpoint.id)->next_probe_at == bench.now().wall + 10s);
  bench.publish(endpoint.id);
  bench.advance(10s);
  CHECK(bench.running() == 1);
}

TEST_CASE("a clock that is set forward makes no storm") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 6);
  bench.run();
  bench.end_all(500);
  bench.set_wall_clock(24h);
  CHECK(bench.running() == 0);
  bench.advance(10s);
  CHECK(bench.running() == 1);
}

TEST_CASE("until our own disabling is stored, what the store still says starts nothing") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 2;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 6);
  bench.run();
  bench.store_is_slow = true;
  bench.end_first(410);
  bench.change(endpoint.id, [](Endpoint& e) { e.url = "http://192.0.2.1/new"; });
  bench.run();
  CHECK(bench.running() == 1);
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.store.stored(endpoint.id).status == WebhookStatus::disabled);
  bench.end_all(200);
  CHECK(bench.running() == 0);

  bench.change(endpoint.id, [](Endpoint& e) {
    e.status = WebhookStatus::active;
    e.health = {};
  });
  bench.publish(endpoint.id);
  bench.run();
  CHECK(bench.running() == 1);
}

TEST_CASE("what was claimed for another binding is given back and not sent") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 4;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 60);
  bench.run();
  for (int i = 0; i < 10; ++i) bench.end_first(200);
  REQUIRE(bench.store.count(DeliveryStatus::in_flight) > 4);
  bench.store_is_slow = true;
  const std::size_t started = bench.sender.started.size();
  bench.change(endpoint.id, [](Endpoint& e) { ++e.generation; });
  bench.run();
  bench.end_all(200);
  CHECK(bench.sender.started.size() == started);
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.running() == 4);
}

TEST_CASE("a claim that was under way when the binding changed is given back") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.store_is_slow = true;
  bench.publish(endpoint.id);
  bench.run();
  REQUIRE(bench.waiting_turns() == 1);
  bench.change(endpoint.id, [](Endpoint& e) { ++e.generation; });
  bench.answer_store();
  bench.run();
  CHECK(bench.running() == 0);
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.running() == 1);
}

TEST_CASE("another binding leaves the circuit as it is") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 10);
  bench.run();
  bench.store_is_slow = true;
  bench.end_all(500);
  REQUIRE(bench.board.find(endpoint.id)->circuit == CircuitState::open);
  bench.change(endpoint.id, [](Endpoint& e) { ++e.generation; });
  CHECK(bench.board.find(endpoint.id)->circuit == CircuitState::open);
}

TEST_CASE("what a new rate limit holds back goes back to the store") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 8;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 60);
  bench.run();
  for (int i = 0; i < 10; ++i) bench.end_first(200);
  bench.change(endpoint.id, [](Endpoint& e) { e.rate_limit_per_second = 0.1; });
  bench.end_all(200);
  bench.advance(200ms);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == bench.running());
}

}  // namespace webhookd
