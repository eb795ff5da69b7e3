#include "delivery/recorder.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

#include "delivery/fake_store.h"
#include "delivery/waiting.h"

namespace webhookd {

using namespace std::chrono_literals;

namespace {

// Collects what a recorder says.
struct Listener {
  std::promise<TurnAnswer> first;
  std::atomic<int> answers{0};
  std::promise<std::string> broken;

  std::function<void(TurnAnswer)> on_answer() {
    return [this](TurnAnswer answer) {
      if (answers++ == 0) first.set_value(std::move(answer));
    };
  }
  std::function<void(const std::string&)> on_broken() {
    return [this](const std::string& reason) { broken.set_value(reason); };
  }
  TurnAnswer wait() {
    auto answer = first.get_future();
    REQUIRE(answer.wait_for(kPatience) == std::future_status::ready);
    return answer.get();
  }
};

QueueTurn claim_turn(const WebhookId& id) {
  QueueTurn turn;
  turn.claims.push_back({id, 3, Claimable::any});
  return turn;
}

}  // namespace

TEST_CASE("a turn is brought to the store and its answer comes back") {
  FakeStore store;
  const Endpoint endpoint = make_endpoint('a');
  store.put(endpoint);
  const SystemClock clock;
  store.publish(endpoint.id, clock.now());
  Listener listener;
  Recorder recorder(store, clock, listener.on_answer(), listener.on_broken());
  recorder.submit(claim_turn(endpoint.id));
  const TurnAnswer answer = listener.wait();
  CHECK(answer.turns == 1);
  REQUIRE(answer.asked.size() == 1);
  REQUIRE(answer.given.claims.size() == 1);
  CHECK(answer.given.claims[0].deliveries.size() == 1);
}

TEST_CASE("a store that is full is asked again until it takes the turn") {
  const auto kind = GENERATE(StoreError::Kind::full, StoreError::Kind::unavailable);
  FakeStore store;
  const Endpoint endpoint = make_endpoint('a');
  store.put(endpoint);
  store.fail_with(kind);
  const SystemClock clock;
  Listener listener;
  Recorder recorder(store, clock, listener.on_answer(), listener.on_broken());
  recorder.submit(claim_turn(endpoint.id));
  REQUIRE(comes_true([&] { return store.turns() > 0; }));
  recorder.submit(claim_turn(endpoint.id));
  store.fail_with(std::nullopt);
  const TurnAnswer answer = listener.wait();
  CHECK(answer.turns == 2);
  CHECK(answer.given.claims.size() == 2);
}

TEST_CASE("results come into a store that is nearly full in pieces that fit, each once") {
  FakeStore store;
  store.take_at_most(2);
  const SystemClock clock;
  std::atomic<int> results{0};
  std::atomic<int> turns{0};
  Recorder recorder(
      store, clock,
      [&](const TurnAnswer& answer) {
        results += answer.results;
        turns += answer.turns;
      },
      [](const std::string&) {});
  QueueTurn turn = claim_turn({"whk_a"});
  turn.results.resize(9);
  recorder.submit(std::move(turn));
  REQUIRE(comes_true([&] { return turns > 0; }));
  CHECK(turns == 1);
  CHECK(results == 9);
  CHECK(store.claims().size() == 1);
}

TEST_CASE("a broken store is reported once and not asked again") {
  FakeStore store;
  store.fail_with(StoreError::Kind::broken);
  const SystemClock clock;
  Listener listener;
  auto broken = listener.broken.get_future();
  Recorder recorder(store, clock, listener.on_answer(), listener.on_broken());
  recorder.submit(claim_turn({"whk_a"}));
  REQUIRE(broken.wait_for(kPatience) == std::future_status::ready);
  recorder.submit(claim_turn({"whk_a"}));
  recorder.stop();
  CHECK(store.turns() == 1);
  CHECK(listener.answers == 0);
}

TEST_CASE("a recorder ends while its store is unavailable") {
  FakeStore store;
  store.fail_with(StoreError::Kind::unavailable);
  const SystemClock clock;
  Listener listener;
  Recorder recorder(store, clock, listener.on_answer(), listener.on_broken());
  recorder.submit(claim_turn({"whk_a"}));
  REQUIRE(comes_true([&] { return store.turns() > 0; }));
  recorder.stop();
  CHECK(listener.answers == 0);
}

TEST_CASE("merged turns keep every result and the latest health of each webhook") {
  QueueTurn turn;
  turn.results.resize(1);
  turn.health = {{{"whk_a"}, {}}, {{"whk_b"}, {}}};
  turn.released = {{1}};
  turn.recovered.push_back({{"whk_a"}, "evt_1", 5, std::nullopt, {}});
  QueueTurn later;
  later.recovered.push_back({{"whk_b"}, "evt_2", 5, std::nullopt, {}});
  later.shifts.push_back({{"whk_a"}, std::chrono::hours{1}, {}, {}, std::nullopt});
  later.results.resize(2);
  later.health.push_back({{"whk_a"}, {}});
  later.health.front().health.consecutive_failures = 3;
  later.health.push_back({{"whk_c"}, {}});
  later.released = {{2}};
  merge(turn, std::move(later));
  CHECK(turn.results.size() == 3);
  CHECK(turn.released == std::vector<DeliveryId>{{1}, {2}});
  CHECK(turn.recovered.size() == 2);
  CHECK(turn.shifts.size() == 1);
  REQUIRE(turn.health.size() == 3);
  CHECK(turn.health[0].health.consecutive_failures == 3);
  CHECK(turn.health[2].webhook == WebhookId{"whk_c"});
}

TEST_CASE("a result that is merged into an earlier shift's turn keeps the time that it has") {
  QueueTurn turn;
  turn.results.push_back({{1}, {"whk_a"}, {}});
  turn.shifts.push_back({{"whk_a"}, std::chrono::hours{24}, {}, {{7}}, std::nullopt});
  turn.shifts.push_back({{"whk_b"}, std::chrono::hours{24}, {}, {}, std::nullopt});
  QueueTurn later;
  later.results.push_back({{2}, {"whk_a"}, {}});
  merge(turn, std::move(later));
  CHECK(turn.shifts[0].except == std::vector<DeliveryId>{{7}, {2}});
  CHECK(turn.shifts[1].except.empty());
}

TEST_CASE("a fault of ours is reported, not the end of the process") {
  FakeStore store;
  const SystemClock clock;
  Listener listener;
  Recorder recorder(
      store, clock, [](const TurnAnswer&) { throw std::logic_error("a bug"); },
      listener.on_broken());
  auto broken = listener.broken.get_future();
  recorder.submit({});
  REQUIRE(broken.wait_for(kPatience) == std::future_status::ready);
  CHECK(broken.get() == "a bug");
}

}  // namespace webhookd
