// A wall clock that is set while deliveries wait.

#include <catch2/catch.hpp>

#include "delivery/loop_bench.h"

namespace webhookd {

using namespace std::chrono_literals;

namespace {

// Its deliveries have failed once each and wait for a second attempt, 300 s after the first.
Endpoint waiting_endpoint(LoopBench& bench, char name, int deliveries) {
  Endpoint endpoint = make_endpoint(name, std::string("http://192.0.2.1/") + name);
  endpoint.retry_schedule = std::vector<std::chrono::seconds>{300s, 300s};
  endpoint.max_in_flight = 4;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, deliveries);
  bench.run();
  for (int i = 0; i < deliveries; ++i) bench.end_first(500);
  REQUIRE(bench.running() == 0);
  return endpoint;
}

}  // namespace

TEST_CASE("after a jump of the clock retries wait as long as before, and none is due early") {
  const auto jump = GENERATE(24h, -24h, 30 * 24h, -30 * 24h);
  LoopBench bench;
  waiting_endpoint(bench, 'a', 4);
  bench.advance(100s);
  bench.set_wall_clock(jump);
  CHECK(bench.running() == 0);
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.due == bench.now().wall + 200s);
  bench.advance(199s);
  CHECK(bench.running() == 0);
  bench.advance(1s);
  CHECK(bench.running() == 4);
}

TEST_CASE("a clock that is set by less than some seconds moves nothing") {
  LoopBench bench;
  waiting_endpoint(bench, 'a', 1);
  const Timestamp due = bench.store.row({1}).due;
  for (int i = 0; i < 20; ++i) bench.set_wall_clock(i % 2 == 0 ? 4s : -4s);
  CHECK(bench.store.shifts().empty());
  CHECK(bench.store.row({1}).due == due);
}

TEST_CASE("what is due stays due through a jump") {
  const auto jump = GENERATE(24h, -24h);
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 1;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 20);
  bench.run();
  bench.set_wall_clock(jump);
  for (int i = 0; i < 20; ++i) bench.end_first(200);
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 20);
}

TEST_CASE("a clock that is set and set right again leaves every time as it was") {
  LoopBench bench;
  bench.store.shift_at_once(1);
  waiting_endpoint(bench, 'a', 4);
  const Timestamp due = bench.store.row({1}).due;
  bench.store_is_slow = true;
  bench.set_wall_clock(24h);
  bench.set_wall_clock(-24h);
  bench.store_is_slow = false;
  bench.run();
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.due == due);
  bench.advance(300s);
  CHECK(bench.running() == 4);
}

TEST_CASE("while times are moved nothing of the webhook is claimed, and in pieces all are moved") {
  LoopBench bench;
  bench.store.shift_at_once(2);
  const Endpoint endpoint = waiting_endpoint(bench, 'a', 4);
  bench.store_is_slow = true;
  bench.set_wall_clock(24h);
  const std::size_t claims = bench.store.claims().size();
  bench.publish(endpoint.id);
  bench.answer_store();
  bench.run();
  CHECK(bench.store.claims().size() == claims);
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.store.shifts().size() >= 2);
  CHECK(bench.running() == 1);
  CHECK(bench.store.row({5}).status == DeliveryStatus::in_flight);
  for (int id = 1; id <= 4; ++id) CHECK(bench.store.row({id}).due == bench.now().wall + 300s);
}

TEST_CASE("an attempt that ends while times are moved keeps the time that it is given") {
  const auto jump = GENERATE(24h, -24h);
  LoopBench bench;
  const Endpoint endpoint = waiting_endpoint(bench, 'a', 3);
  bench.publish(endpoint.id);
  bench.run();
  REQUIRE(bench.running() == 1);
  bench.store_is_slow = true;
  bench.set_wall_clock(jump);
  bench.end_first(500);
  bench.store_is_slow = false;
  bench.run();
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.due == bench.now().wall + 300s);
}

TEST_CASE("what was claimed before a jump goes back before the times are moved") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.store_is_slow = true;
  bench.publish(endpoint.id);
  bench.run();
  bench.set_wall_clock(-24h);
  CHECK(bench.store.shifts().empty());
  bench.answer_store();
  bench.run();
  CHECK(bench.running() == 0);
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.running() == 1);
}

TEST_CASE("a claim brings nothing that a clock set since makes due") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 8;
  endpoint.retry_schedule = std::vector<std::chrono::seconds>{300s};
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 2);
  bench.run();
  bench.end_all(500);
  bench.store_is_slow = true;
  bench.publish(endpoint.id);
  bench.run();
  REQUIRE(bench.waiting_turns() > 0);
  bench.set_store_clock(24h);
  bench.answer_store();
  bench.run();
  CHECK(bench.running() == 1);
}

TEST_CASE("what is stored with its old time after the clock was set back is found soon") {
  LoopBench bench;
  const Endpoint endpoint = waiting_endpoint(bench, 'a', 1);
  const Timestamp before = bench.now().wall;
  bench.set_wall_clock(-24h);
  const auto wait = GENERATE(500ms, 5000ms);
  bench.advance(wait);
  const Timestamp retry = bench.store.row({1}).due;
  const DeliveryId late = bench.store.publish(endpoint.id, before);
  bench.loop().note(endpoint.id, bench.now());
  bench.run();
  REQUIRE(bench.running() == 0);
  bench.advance(10s - wait);
  CHECK(bench.running() == 1);
  CHECK(bench.store.row(late).status == DeliveryStatus::in_flight);
  CHECK(bench.store.row({1}).due == retry);
}

TEST_CASE("what a process before stored with a time of before the clock was set back is found") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.store.put(endpoint);
  const DeliveryId ahead = bench.store.publish(endpoint.id, bench.now().wall + 24h);
  bench.adopt(endpoint);
  bench.run();
  CHECK(bench.store.row(ahead).status == DeliveryStatus::in_flight);
}

TEST_CASE("the store learns of a clock that was set back only with the times that it moves") {
  LoopBench bench;
  const Endpoint endpoint = waiting_endpoint(bench, 'a', 2);
  const auto heard_at = bench.store.stored(endpoint.id).health.last_failure_at;
  bench.store_is_slow = true;
  bench.publish(endpoint.id);
  bench.run();
  bench.set_wall_clock(-24h);
  bench.answer_store();
  // A process that starts now sees that the clock was set, and that nothing was moved.
  REQUIRE(bench.store.shifts().empty());
  CHECK(bench.store.stored(endpoint.id).health.last_failure_at == heard_at);
  bench.run();
  bench.answer_store();
  REQUIRE(bench.store.shifts().size() == 1);
  CHECK(bench.store.stored(endpoint.id).health.last_failure_at == *heard_at - 24h);
}

TEST_CASE("the store learns of a clock that was set back only with the last piece of a shift") {
  LoopBench bench;
  bench.store.shift_at_once(1);
  const Endpoint endpoint = waiting_endpoint(bench, 'a', 4);
  const auto heard_at = bench.store.stored(endpoint.id).health.last_failure_at;
  bench.store_is_slow = true;
  bench.set_wall_clock(-24h);
  for (std::size_t piece = 1; piece <= 4; ++piece) {
    bench.answer_store();
    REQUIRE(bench.store.shifts().size() == piece);
    const Timestamp expected = piece < 4 ? *heard_at : *heard_at - 24h;
    CHECK(bench.store.stored(endpoint.id).health.last_failure_at == expected);
    bench.run();
  }
}

TEST_CASE("a kill after each piece of a shift makes no retry early or late") {
  const auto jump = GENERATE(as<std::chrono::seconds>{}, 24h, -24h, 100s, -100s);
  LoopBench bench;
  bench.store.shift_at_once(1);
  waiting_endpoint(bench, 'a', 4);
  bench.advance(100s);
  bench.store_is_slow = true;
  bench.set_wall_clock(jump);
  for (std::size_t piece = 1; piece <= 4; ++piece) {
    bench.answer_store();
    REQUIRE(bench.store.shifts().size() == piece);
    bench.restart();
    bench.run();
  }
  bench.store_is_slow = false;
  bench.run();
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.due == bench.now().wall + 200s);
  bench.advance(199s);
  CHECK(bench.running() == 0);
  bench.advance(1s);
  CHECK(bench.running() == 4);
}

TEST_CASE(
    "a clock that is set once more while the daemon does not run adds to an unfinished shift") {
  LoopBench bench;
  bench.store.shift_at_once(1);
  waiting_endpoint(bench, 'a', 4);
  bench.store_is_slow = true;
  bench.set_wall_clock(-24h);
  bench.answer_store();
  bench.restart_with_clock_set(-1h);
  bench.store_is_slow = false;
  bench.run();
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.due == bench.now().wall + 300s);
}

TEST_CASE("a machine that slept has set no clock: what became due meanwhile is sent") {
  LoopBench bench;
  waiting_endpoint(bench, 'a', 4);
  bench.sleep_machine(8h);
  CHECK(bench.store.shifts().empty());
  CHECK(bench.running() == 4);
}

TEST_CASE("a hold and a probe are as far away as before, also for the store") {
  const auto jump = GENERATE(24h, -24h);
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 6);
  bench.run();
  bench.end_all(503);
  bench.publish(endpoint.id);
  bench.advance(10s);
  bench.end_first(429, {{"Retry-After", "600"}});
  bench.set_wall_clock(jump);
  const EndpointHealth stored = bench.store.stored(endpoint.id).health;
  CHECK(stored.held_until == bench.now().wall + 600s);
  CHECK(stored.next_probe_at == bench.now().wall + 20s);
}

TEST_CASE("a clock that was set back while the daemon did not run holds nothing for a day") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.health.consecutive_failures = 7;
  endpoint.health.last_failure_at = bench.now().wall + 24h;
  endpoint.health.held_until = bench.now().wall + 24h + 60s;
  endpoint.health.next_probe_at = bench.now().wall + 24h + 20s;
  bench.store.put(endpoint);
  const DeliveryId waiting = bench.store.publish(endpoint.id, bench.now().wall + 24h - 5s);
  bench.adopt(endpoint);
  bench.run();
  CHECK(bench.board.find(endpoint.id)->held_until == bench.now().wall + 60s);
  CHECK(bench.board.find(endpoint.id)->next_probe_at == bench.now().wall + 20s);
  bench.advance(60s);
  CHECK(bench.store.row(waiting).status == DeliveryStatus::in_flight);
}

TEST_CASE("what was moved at a start is not moved again at the next") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.health.last_failure_at = bench.now().wall + 24h;
  bench.store.put(endpoint);
  bench.adopt(endpoint);
  bench.run();
  REQUIRE(bench.store.shifts().size() == 1);
  LoopBench next;
  next.adopt(bench.store.stored(endpoint.id));
  next.run();
  CHECK(next.store.shifts().empty());
}

TEST_CASE(
    "a clock that was wrong for a while and set right again moves nothing at the next start") {
  LoopBench bench;
  const Endpoint endpoint = waiting_endpoint(bench, 'a', 1);
  bench.set_wall_clock(24h);
  bench.publish(endpoint.id);
  bench.run();
  bench.end_first(500);
  bench.set_wall_clock(-24h);
  CHECK(bench.store.stored(endpoint.id).health.last_failure_at == bench.now().wall);
  LoopBench next;
  next.adopt(bench.store.stored(endpoint.id));
  next.run();
  CHECK(next.store.shifts().empty());
}

TEST_CASE("a loop that stops moves what it has begun to move") {
  LoopBench bench;
  bench.store.shift_at_once(1);
  waiting_endpoint(bench, 'a', 4);
  bench.store_is_slow = true;
  bench.set_wall_clock(24h);
  bench.loop().stop_starting(bench.now());
  CHECK_FALSE(bench.loop().is_idle());
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.loop().is_idle());
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.due == bench.now().wall + 300s);
}

TEST_CASE("a webhook that is deleted while its times are moved is forgotten") {
  LoopBench bench;
  bench.store.shift_at_once(1);
  const Endpoint gone = waiting_endpoint(bench, 'a', 4);
  bench.store_is_slow = true;
  bench.set_wall_clock(24h);
  bench.store.remove(gone.id);
  bench.refresh(gone.id);
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.loop().is_idle());
}

}  // namespace webhookd
