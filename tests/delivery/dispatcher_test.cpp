#include "delivery/dispatcher.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>

#include "delivery/fake_store.h"
#include "delivery/raw_receiver.h"
#include "delivery/waiting.h"

namespace webhookd {

using namespace std::chrono_literals;

namespace {

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

DispatcherOptions two_loops() {
  DispatcherOptions options;
  options.loops = 2;
  options.allow_networks = {"127.0.0.0/8"};
  return options;
}

// A running dispatcher over a fake store.
class Running {
 public:
  explicit Running(DispatcherOptions options = two_loops(), std::vector<Endpoint> known = {}) {
    for (Endpoint& endpoint : known) store.put(std::move(endpoint));
    dispatcher =
        start_dispatcher(options, store, clock, random, [this](const std::string&) { ++broken; });
  }

  Endpoint add(char name, const std::string& url) {
    Endpoint endpoint = make_endpoint(name, url);
    store.put(endpoint);
    dispatcher->refresh(endpoint.id);
    return endpoint;
  }
  DeliveryId publish(const WebhookId& id) {
    const DeliveryId delivery = store.publish(id, clock.now());
    dispatcher->notify({&id, 1});
    return delivery;
  }
  bool all_end_as(DeliveryStatus status, int count) const {
    return comes_true([&] { return store.count(status) == count; });
  }
  NewEvent test_event() const { return {"evt_test", "webhook.test", {}, "{}", ""}; }
  ChangeContext context() const { return {clock.now(), "user:x", "unix", "r"}; }

  SystemClock clock;
  SystemRandom random;
  FakeStore store;
  std::atomic<int> broken{0};
  std::unique_ptr<Dispatcher> dispatcher;
};

}  // namespace

TEST_CASE("what is published is delivered, over several endpoints and loops") {
  const RawReceiver receiver(answer_with(kOk));
  Running running;
  std::vector<WebhookId> ids;
  for (char name = 'a'; name < 'k'; ++name) ids.push_back(running.add(name, receiver.url()).id);
  for (int i = 0; i < 20; ++i) {
    for (const WebhookId& id : ids) running.store.publish(id, running.clock.now());
    running.dispatcher->notify(ids);
  }
  CHECK(running.all_end_as(DeliveryStatus::succeeded, 200));
  const std::vector<LoopStatus> loops = running.dispatcher->loops();
  REQUIRE(loops.size() == 2);
  CHECK(loops[0].alive);
  CHECK(loops[0].endpoints + loops[1].endpoints == 10);
  for (const FakeStore::Row& row : running.store.rows()) CHECK(row.attempts.size() == 1);
}

TEST_CASE("what waited before the start is delivered after it") {
  const RawReceiver receiver(answer_with(kOk));
  FakeStore store;
  const Endpoint endpoint = make_endpoint('a', receiver.url());
  store.put(endpoint);
  const SystemClock clock;
  SystemRandom random;
  store.publish(endpoint.id, clock.now());
  const auto dispatcher = start_dispatcher(two_loops(), store, clock, random, {});
  CHECK(comes_true([&] { return store.count(DeliveryStatus::succeeded) == 1; }));
}

TEST_CASE("what a disabling publishes is delivered by another webhook's loop at once") {
  const RawReceiver gone(answer_with("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"));
  const RawReceiver receiver(answer_with(kOk));
  Running running;
  const Endpoint failing = running.add('a', gone.url());
  Endpoint watching = make_endpoint('a', receiver.url());
  watching.id.value.back() = 'b';
  watching.shard = shard_of(watching.id);
  REQUIRE(failing.shard % 2 != watching.shard % 2);
  running.store.put(watching);
  running.dispatcher->refresh(watching.id);
  running.store.tell_of_disablings(watching.id);
  running.publish(failing.id);
  CHECK(running.all_end_as(DeliveryStatus::succeeded, 1));
}

TEST_CASE("a body arrives byte for byte, signed") {
  std::atomic<bool> seen{false};
  std::string request;
  const RawReceiver receiver([&](RawConnection& connection) {
    request = connection.read_request().value_or("");
    connection.write(kOk);
    seen = true;
  });
  Running running;
  const Endpoint endpoint = running.add('a', receiver.url());
  running.store.publish(endpoint.id, running.clock.now(), R"({"n":0.10})");
  running.dispatcher->notify({&endpoint.id, 1});
  REQUIRE(comes_true([&] { return seen.load(); }));
  CHECK(request.ends_with("\r\n\r\n{\"n\":0.10}"));
  const auto at = request.find("X-ScaiKey-Timestamp: ") + 21;
  const std::int64_t timestamp = std::stoll(request.substr(at));
  CHECK(request.find("X-ScaiKey-Signature: " +
                     scaikey_signature({endpoint.secret}, timestamp, R"({"n":0.10})") + "\r\n") !=
        std::string::npos);
}

TEST_CASE("state is known for the webhooks of the store, and no longer once deleted") {
  Running running;
  const Endpoint endpoint = running.add('a', "http://192.0.2.1/");
  CHECK(running.dispatcher->state(endpoint.id)->circuit == CircuitState::closed);
  CHECK_FALSE(running.dispatcher->state({"whk_unknown"}));
  running.store.remove(endpoint.id);
  running.dispatcher->refresh(endpoint.id);
  CHECK_FALSE(running.dispatcher->state(endpoint.id));
}

TEST_CASE("after refresh of a paused webhook nothing is started any more") {
  std::atomic<int> hits{0};
  const RawReceiver receiver([&](RawConnection& connection) {
    while (connection.read_request()) {
      ++hits;
      connection.write(kOk);
    }
  });
  Running running;
  const Endpoint endpoint = running.add('a', receiver.url());
  const std::jthread publisher([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      running.publish(endpoint.id);
      std::this_thread::sleep_for(100us);
    }
  });
  REQUIRE(comes_true([&] { return hits > 20; }));
  running.store.change(endpoint.id, [](Endpoint& e) { e.status = WebhookStatus::paused; });
  running.dispatcher->refresh(endpoint.id);
  CHECK(comes_true([&] {
    return running.dispatcher->loops()[0].in_flight + running.dispatcher->loops()[1].in_flight == 0;
  }));
  const int before = hits;
  const std::size_t published = running.store.rows().size();
  REQUIRE(comes_true([&] { return running.store.rows().size() > published + 20; }));
  CHECK(hits == before);
}

TEST_CASE("a test send is one attempt, recorded when it returns") {
  const RawReceiver receiver(answer_with("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
  Running running;
  const Endpoint endpoint = running.add('a', receiver.url());
  running.store.change(endpoint.id, [](Endpoint& e) { e.status = WebhookStatus::disabled; });
  running.dispatcher->refresh(endpoint.id);
  const auto sent =
      running.dispatcher->send_test(endpoint.id, running.test_event(), running.context());
  REQUIRE(std::holds_alternative<AttemptResult>(sent));
  const auto& result = std::get<AttemptResult>(sent);
  CHECK(result.attempt.response_status == 503);
  CHECK(result.attempt.trigger == Trigger::test);
  CHECK(running.store.row(result.delivery).status == DeliveryStatus::failed);
  CHECK(running.store.stored(endpoint.id).health == EndpointHealth{});
}

TEST_CASE("a test of an unknown webhook is not found") {
  Running running;
  const auto sent =
      running.dispatcher->send_test({"whk_unknown"}, running.test_event(), running.context());
  CHECK(std::get<TestFault>(sent) == TestFault::not_found);
}

TEST_CASE("the ninth test at once is too many") {
  std::atomic<int> waiting{0};
  Gate gate;
  const RawReceiver receiver([&](RawConnection& connection) {
    connection.read_request();
    ++waiting;
    gate.wait();
    connection.write(kOk);
  });
  Running running;
  const Endpoint endpoint = running.add('a', receiver.url());
  std::atomic<int> fine{0};
  std::vector<std::jthread> testers;
  for (int i = 0; i < 8; ++i) {
    testers.emplace_back([&] {
      const auto sent =
          running.dispatcher->send_test(endpoint.id, running.test_event(), running.context());
      if (std::holds_alternative<AttemptResult>(sent)) ++fine;
    });
  }
  CHECK(comes_true([&] { return waiting == 8; }));
  const auto ninth =
      running.dispatcher->send_test(endpoint.id, running.test_event(), running.context());
  gate.open();
  for (std::jthread& tester : testers) tester.join();
  REQUIRE(std::holds_alternative<TestFault>(ninth));
  CHECK(std::get<TestFault>(ninth) == TestFault::too_many);
  CHECK(fine == 8);
}

TEST_CASE("drain lets attempts under way end, records them and leaves nothing in flight") {
  std::atomic<int> waiting{0};
  Gate gate;
  const RawReceiver receiver([&](RawConnection& connection) {
    while (connection.read_request()) {
      ++waiting;
      gate.wait();
      connection.write(kOk);
    }
  });
  Running running;
  Endpoint endpoint = make_endpoint('a', receiver.url());
  endpoint.max_in_flight = 3;
  running.store.put(endpoint);
  running.dispatcher->refresh(endpoint.id);
  for (int i = 0; i < 10; ++i) running.publish(endpoint.id);
  REQUIRE(comes_true([&] { return waiting == 3; }));
  std::jthread drain([&] { running.dispatcher->drain(20s); });
  // Notes and refreshes at this time neither start anything nor hang.
  running.publish(endpoint.id);
  running.dispatcher->refresh(endpoint.id);
  gate.open();
  drain.join();
  CHECK(running.store.count(DeliveryStatus::succeeded) == waiting);
  CHECK(running.store.count(DeliveryStatus::in_flight) == 0);
  running.dispatcher->refresh(endpoint.id);
  running.publish(endpoint.id);
  CHECK_FALSE(running.dispatcher->loops()[0].alive);
}

TEST_CASE("drain gives up at its timeout, and a test under way ends as interrupted") {
  std::atomic<bool> reached{false};
  const RawReceiver receiver([&](RawConnection& connection) {
    connection.read_request();
    reached = true;
    connection.wait_until_closed();
  });
  Running running;
  const Endpoint endpoint = running.add('a', receiver.url());
  std::optional<ErrorKind> kind;
  std::jthread tester([&] {
    const auto sent =
        running.dispatcher->send_test(endpoint.id, running.test_event(), running.context());
    kind = std::get<AttemptResult>(sent).attempt.error->kind;
  });
  CHECK(comes_true([&] { return reached.load(); }));
  running.dispatcher->drain(50ms);
  tester.join();
  CHECK(kind == ErrorKind::interrupted);
}

TEST_CASE("a store outage delays results and loses none") {
  const RawReceiver receiver(answer_with(kOk));
  Running running;
  const Endpoint endpoint = running.add('a', receiver.url());
  for (int i = 0; i < 50; ++i) running.publish(endpoint.id);
  running.store.fail_with(StoreError::Kind::full);
  const int turns = running.store.turns();
  CHECK(comes_true([&] { return running.store.turns() > turns; }));
  running.store.fail_with(std::nullopt);
  CHECK(running.all_end_as(DeliveryStatus::succeeded, 50));
  for (const FakeStore::Row& row : running.store.rows()) CHECK(row.attempts.size() == 1);
}

TEST_CASE("a broken store is reported once, and drain waits for no results then") {
  Running running;
  const Endpoint a = running.add('a', "http://192.0.2.1/");
  const Endpoint b = running.add('b', "http://192.0.2.1/");
  running.store.fail_with(StoreError::Kind::broken);
  for (int i = 0; i < 5; ++i) {
    running.publish(a.id);
    running.publish(b.id);
  }
  CHECK(comes_true([&] { return running.broken == 1; }));
  const Monotonic began = std::chrono::steady_clock::now();
  running.dispatcher->drain(kPatience);
  CHECK(std::chrono::steady_clock::now() - began < kPatience / 2);
  CHECK(running.broken == 1);
}

TEST_CASE("an address that is not allowed fails the attempt and is named") {
  DispatcherOptions options = two_loops();
  options.allow_networks.clear();
  const RawReceiver receiver(answer_with(kOk));
  Running running(options);
  const Endpoint endpoint = running.add('a', receiver.url());
  const DeliveryId id = running.publish(endpoint.id);
  REQUIRE(comes_true([&] { return !running.store.row(id).attempts.empty(); }));
  CHECK(running.store.row(id).attempts[0].error->kind == ErrorKind::blocked_address);
  CHECK(receiver.connections() == 0);
}

TEST_CASE("a network that cannot be parsed stops the start") {
  DispatcherOptions options = two_loops();
  options.allow_networks = {"10.0.0.0/99"};
  FakeStore store;
  const SystemClock clock;
  SystemRandom random;
  CHECK_THROWS_AS(start_dispatcher(options, store, clock, random, {}), std::invalid_argument);
}

TEST_CASE("refused literals are named before anything is sent") {
  const Running running;
  const auto refused = parse_url("http://169.254.169.254/");
  const auto allowed = parse_url("http://127.0.0.1/");
  CHECK(running.dispatcher->refused_literal(std::get<Url>(refused)));
  CHECK_FALSE(running.dispatcher->refused_literal(std::get<Url>(allowed)));
}

TEST_CASE("a test whose result the store cannot take does not stay in flight") {
  std::atomic<bool> reached{false};
  Gate gate;
  const RawReceiver receiver([&](RawConnection& connection) {
    connection.read_request();
    reached = true;
    gate.wait();
    connection.write(kOk);
  });
  Running running;
  const Endpoint endpoint = running.add('a', receiver.url());
  std::atomic<bool> failed{false};
  std::jthread tester([&] {
    try {
      running.dispatcher->send_test(endpoint.id, running.test_event(), running.context());
    } catch (const StoreError&) {
      failed = true;
    }
  });
  CHECK(comes_true([&] { return reached.load(); }));
  running.store.fail_with(StoreError::Kind::full);
  gate.open();
  tester.join();
  CHECK(failed);
  running.store.fail_with(std::nullopt);
  CHECK(running.all_end_as(DeliveryStatus::succeeded, 1));
}

TEST_CASE("a webhook that could not be read when it was made is taken over later") {
  const RawReceiver receiver(answer_with(kOk));
  Running running;
  const Endpoint endpoint = make_endpoint('a', receiver.url());
  running.store.put(endpoint);
  running.store.fail_reads_with(StoreError::Kind::unavailable);
  CHECK_THROWS_AS(running.dispatcher->refresh(endpoint.id), StoreError);
  CHECK_THROWS_AS(running.dispatcher->catch_up(), StoreError);
  running.publish(endpoint.id);
  running.store.fail_reads_with(std::nullopt);
  running.dispatcher->catch_up();
  CHECK(running.all_end_as(DeliveryStatus::succeeded, 1));
}

}  // namespace webhookd
