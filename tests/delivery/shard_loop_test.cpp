#include "delivery/shard_loop.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "delivery/loop_bench.h"

namespace webhookd {

using namespace std::chrono_literals;

TEST_CASE("a published event is claimed, sent and recorded") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  const DeliveryId id = bench.publish(endpoint.id);
  bench.run();
  REQUIRE(bench.running() == 1);
  CHECK(bench.store.row(id).status == DeliveryStatus::in_flight);
  bench.end_first(200);
  CHECK(bench.store.row(id).status == DeliveryStatus::succeeded);
  CHECK(bench.store.stored(endpoint.id).health.last_success_at == bench.now().wall);
  CHECK(bench.loop().is_idle());
}

TEST_CASE("what waits in the store at the start is sent without a note") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.store.put(endpoint);
  bench.store.publish(endpoint.id, bench.now().wall);
  bench.adopt(*bench.store.endpoint(endpoint.id));
  bench.run();
  CHECK(bench.running() == 1);
}

TEST_CASE("an idle endpoint costs the store nothing") {
  LoopBench bench;
  bench.adopt(make_endpoint('a'));
  bench.run();
  bench.advance(1h);
  CHECK(bench.store.turns() == 0);
  CHECK(bench.sleep() == 1s);
}

TEST_CASE("a failed attempt is tried again when its schedule says so") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  const DeliveryId id = bench.publish(endpoint.id);
  bench.run();
  bench.end_first(500);
  CHECK(bench.store.row(id).due == bench.now().wall + 5s);
  bench.advance(4999ms);
  CHECK(bench.running() == 0);
  bench.advance(1ms);
  REQUIRE(bench.running() == 1);
  bench.end_first(500);
  bench.advance(300s);
  bench.end_first(500);
  CHECK(bench.store.row(id).status == DeliveryStatus::failed);
  CHECK(bench.store.row(id).attempts.size() == 3);
}

TEST_CASE("no endpoint has more attempts under way than its cap") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 3;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 20);
  bench.run();
  CHECK(bench.running() == 3);
  std::size_t most = 0;
  for (int i = 0; i < 20; ++i) {
    most = std::max(most, bench.sender.running.size());
    bench.end_first(200);
  }
  CHECK(most == 3);
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 20);
}

TEST_CASE("an endpoint that has never answered holds no claims that it cannot start") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 4;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 100);
  bench.run();
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 4);
}

TEST_CASE("a hanging endpoint does not delay another") {
  LoopBench bench;
  const Endpoint hanging = make_endpoint('a', "http://192.0.2.1/");
  const Endpoint healthy = make_endpoint('b', "http://192.0.2.2/");
  bench.adopt(hanging);
  bench.adopt(healthy);
  bench.publish_many(hanging.id, 1000);
  bench.run();
  REQUIRE(bench.running_to(hanging.url) == hanging.max_in_flight);
  bench.publish(healthy.id);
  bench.run();
  CHECK(bench.running_to(healthy.url) == 1);
}

TEST_CASE("endpoints take turns when the loop is full") {
  ShardLoopOptions options = LoopBench::usual_options();
  options.max_in_flight = 2;
  LoopBench bench(options);
  const Endpoint greedy = make_endpoint('a', "http://192.0.2.1/");
  const Endpoint modest = make_endpoint('b', "http://192.0.2.2/");
  bench.adopt(greedy);
  bench.adopt(modest);
  bench.publish_many(greedy.id, 50);
  bench.publish_many(modest.id, 4);
  bench.run();
  CHECK(bench.running() == 2);
  while (bench.sender.started.size() < 8) bench.end_first(200);
  const auto& started = bench.sender.started;
  CHECK(std::count(started.begin(), started.begin() + 8, modest.url) == 4);
}

TEST_CASE("between many starts the loop takes in answers") {
  LoopBench bench;
  for (char name = 'a'; name < 'k'; ++name) {
    const Endpoint endpoint = make_endpoint(name);
    bench.adopt(endpoint);
    bench.publish_many(endpoint.id, 16);
  }
  bench.loop().step(bench.now());
  bench.answer_store();
  CHECK(bench.loop().step(bench.now()) == 0ms);
  CHECK(bench.running() == 64);
  bench.run();
  CHECK(bench.running() == 160);
}

TEST_CASE("a paused webhook starts nothing, gives back its claims and goes on when resumed") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 2;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 20);
  bench.run();
  for (int i = 0; i < 6; ++i) bench.end_first(200);
  REQUIRE(bench.store.count(DeliveryStatus::in_flight) > 2);
  bench.change(endpoint.id, [](Endpoint& e) { e.status = WebhookStatus::paused; });
  bench.run();
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 2);
  bench.end_all(200);
  bench.publish(endpoint.id);
  bench.advance(1h);
  CHECK(bench.running() == 0);
  bench.change(endpoint.id, [](Endpoint& e) { e.status = WebhookStatus::active; });
  bench.run();
  CHECK(bench.running() == 2);
}

TEST_CASE("a claim that was under way when its webhook was paused is given back") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish(endpoint.id);
  bench.store_is_slow = true;
  bench.run();
  REQUIRE(bench.waiting_turns() == 1);
  Endpoint paused = *bench.store.endpoint(endpoint.id);
  paused.status = WebhookStatus::paused;
  bench.loop().refresh(endpoint.id, paused, bench.now());
  bench.answer_store();
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.running() == 0);
  CHECK(bench.store.count(DeliveryStatus::pending) == 1);
}

TEST_CASE("deleting a webhook aborts its attempts and forgets its claims") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a', "http://192.0.2.1/");
  const Endpoint other = make_endpoint('b', "http://192.0.2.2/");
  bench.adopt(endpoint);
  bench.adopt(other);
  bench.publish_many(endpoint.id, 30);
  bench.publish(other.id);
  bench.run();
  bench.store.remove(endpoint.id);
  bench.refresh(endpoint.id);
  bench.run();
  CHECK(bench.running_to(endpoint.url) == 0);
  CHECK(bench.running_to(other.url) == 1);
  CHECK(bench.sender.aborted == 16);
  CHECK_FALSE(bench.board.find(endpoint.id));
  bench.end_all(200);
  CHECK(bench.loop().is_idle());
}

TEST_CASE("a claim that is answered after its webhook was deleted is forgotten") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish(endpoint.id);
  bench.store_is_slow = true;
  bench.run();
  bench.loop().refresh(endpoint.id, std::nullopt, bench.now());
  bench.answer_store();
  bench.run();
  CHECK(bench.running() == 0);
  CHECK(bench.loop().is_idle());
}

TEST_CASE("claims in hand are signed with the secret of the moment") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 1;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 20);
  bench.run();
  for (int i = 0; i < 4; ++i) bench.end_first(200);
  bench.change(endpoint.id, [](Endpoint& e) { e.secret = {"a secret of the caller's own"}; });
  bench.end_first(200);
  const SendRequest& request = bench.sender.running.begin()->second;
  const std::string expected = scaikey_signature({{"a secret of the caller's own"}},
                                                 unix_seconds(bench.now().wall), request.body);
  CHECK(std::count(request.headers.begin(), request.headers.end(),
                   std::pair<std::string, std::string>{"X-ScaiKey-Signature", expected}) == 1);
}

TEST_CASE("at the bound of unrecorded results nothing new is started") {
  ShardLoopOptions options = LoopBench::usual_options();
  options.max_unrecorded = 3;
  LoopBench bench(options);
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 2;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 20);
  bench.run();
  for (int i = 0; i < 8; ++i) bench.end_first(200);
  bench.store_is_slow = true;
  const std::size_t before = bench.sender.started.size();
  bench.end_all(200);
  CHECK(bench.sender.started.size() <= before + 3);
  CHECK(bench.loop().counts().unrecorded >= 3);
  bench.store_is_slow = false;
  bench.answer_store();
  bench.run();
  CHECK(bench.running() == 2);
}

TEST_CASE("a note that comes while a claim is under way is not lost") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.publish(endpoint.id);
  bench.store_is_slow = true;
  bench.run();
  bench.answer_store();
  // Too late for the answer that the loop has not seen the end of.
  bench.publish(endpoint.id);
  bench.store_is_slow = false;
  bench.run();
  CHECK(bench.running() == 2);
}

TEST_CASE("a retry that is due before an older answer of the store says so is not lost") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  const DeliveryId first = bench.publish(endpoint.id);
  bench.run();
  bench.publish(endpoint.id);
  bench.store_is_slow = true;
  bench.run();
  bench.end_first(500);
  REQUIRE(bench.waiting_turns() == 2);
  bench.answer_store();
  bench.store_is_slow = false;
  bench.run();
  bench.end_all(200);
  bench.advance(5s);
  CHECK(bench.running() == 1);
  CHECK(bench.store.row(first).status == DeliveryStatus::in_flight);
}

TEST_CASE("big bodies are claimed one by one beyond the bound, and nobody starves") {
  ShardLoopOptions options = LoopBench::usual_options();
  options.claimed_bytes = 1024 * 1024;
  LoopBench bench(options);
  const std::string big(512 * 1024, 'x');
  const Endpoint first = make_endpoint('a', "http://192.0.2.1/");
  const Endpoint second = make_endpoint('b', "http://192.0.2.2/");
  bench.adopt(first);
  bench.adopt(second);
  for (int i = 0; i < 20; ++i) bench.publish(first.id, big);
  bench.run();
  const int before = bench.running();
  CHECK(before < 8);
  bench.publish(second.id, big);
  bench.run();
  CHECK(bench.running_to(second.url) == 1);
  while (bench.running() > 0) bench.end_all(200);
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 21);
}

TEST_CASE("a test passes pause, circuit and cap, and touches neither health nor store") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.status = WebhookStatus::paused;
  endpoint.health.next_probe_at = bench.now().wall + 1h;
  bench.adopt(endpoint);
  std::optional<AttemptResult> result;
  ClaimedDelivery delivery;
  delivery.id = {7};
  delivery.trigger = Trigger::test;
  bench.loop().send_test({endpoint, delivery, [&](AttemptResult r) { result = std::move(r); }},
                         bench.now());
  REQUIRE(bench.running() == 1);
  bench.end_first(410);
  REQUIRE(result);
  CHECK(result->status == DeliveryStatus::failed);
  CHECK(result->attempt.trigger == Trigger::test);
  CHECK(result->attempt.response_status == 410);
  CHECK(bench.store.turns() == 0);
}

TEST_CASE("deleting a webhook ends its test as interrupted") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  std::optional<AttemptResult> result;
  ClaimedDelivery delivery;
  delivery.trigger = Trigger::test;
  bench.loop().send_test({endpoint, delivery, [&](AttemptResult r) { result = std::move(r); }},
                         bench.now());
  bench.loop().refresh(endpoint.id, std::nullopt, bench.now());
  REQUIRE(result);
  CHECK(result->attempt.error->kind == ErrorKind::interrupted);
}

TEST_CASE("once told to stop it starts nothing and gives back what it holds") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 2;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 20);
  bench.run();
  for (int i = 0; i < 4; ++i) bench.end_first(200);
  bench.loop().stop_starting(bench.now());
  bench.run();
  CHECK(bench.running() == 2);
  CHECK_FALSE(bench.loop().is_idle());
  bench.end_all(200);
  CHECK(bench.running() == 0);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 0);
  CHECK(bench.loop().is_idle());
}

TEST_CASE("what is claimed ahead goes back when the receiver hangs") {
  LoopBench bench;
  Endpoint endpoint = make_endpoint('a');
  endpoint.max_in_flight = 2;
  bench.adopt(endpoint);
  bench.publish_many(endpoint.id, 50);
  bench.run();
  for (int i = 0; i < 10; ++i) bench.end_first(200);
  REQUIRE(bench.running() == 2);
  REQUIRE(bench.store.count(DeliveryStatus::in_flight) > 2);
  bench.advance(199ms);
  CHECK(bench.store.count(DeliveryStatus::in_flight) > 2);
  bench.advance(1ms);
  CHECK(bench.store.count(DeliveryStatus::in_flight) == 2);
  const int turns = bench.store.turns();
  bench.advance(10s);
  CHECK(bench.store.turns() == turns);
  while (bench.running() > 0) bench.end_first(200);
  CHECK(bench.store.count(DeliveryStatus::succeeded) == 50);
  for (const FakeStore::Row& row : bench.store.rows()) CHECK(row.attempts.size() == 1);
}

TEST_CASE("once told to stop it sends no test either") {
  LoopBench bench;
  const Endpoint endpoint = make_endpoint('a');
  bench.adopt(endpoint);
  bench.loop().stop_starting(bench.now());
  std::optional<AttemptResult> result;
  bench.loop().send_test({endpoint, {}, [&](AttemptResult ended) { result = std::move(ended); }},
                         bench.now());
  REQUIRE(result);
  CHECK(result->attempt.error->kind == ErrorKind::interrupted);
  CHECK(bench.running() == 0);
}

}  // namespace webhookd
