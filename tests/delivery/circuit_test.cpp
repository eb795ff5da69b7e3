#include "delivery/circuit.h"

#include <catch2/catch.hpp>

namespace webhookd {

using namespace std::chrono_literals;

namespace {

const Timestamp kStart = from_unix_millis(1'800'000'000'000);

EndpointHealth after_failures(int count) {
  EndpointHealth health;
  for (int i = 0; i < count; ++i) health = after_failure(health, kStart, AttemptRole::ordinary);
  return health;
}

}  // namespace

TEST_CASE("the circuit opens with the fifth failure in a row") {
  CHECK(circuit_state(after_failures(4), 0) == CircuitState::closed);
  const EndpointHealth health = after_failures(5);
  CHECK(circuit_state(health, 0) == CircuitState::open);
  CHECK(circuit_state(health, 1) == CircuitState::half_open);
  CHECK(health.next_probe_at == kStart + 10s);
  CHECK(health.consecutive_failures == 5);
}

TEST_CASE("a success in between begins the count anew") {
  EndpointHealth health = after_success(after_failures(4), kStart);
  CHECK(health.consecutive_failures == 0);
  for (int i = 0; i < 4; ++i) health = after_failure(health, kStart, AttemptRole::ordinary);
  CHECK_FALSE(circuit_is_open(health));
}

TEST_CASE("probes are 10 s apart, then twice as far each, up to 10 minutes") {
  EndpointHealth health = after_failures(5);
  for (const auto delay : {20s, 40s, 80s, 160s, 320s, 600s, 600s, 600s}) {
    health = after_failure(health, kStart, AttemptRole::probe);
    CHECK(health.next_probe_at == kStart + delay);
  }
  for (int i = 0; i < 100; ++i) health = after_failure(health, kStart, AttemptRole::probe);
  CHECK(health.next_probe_at == kStart + 600s);
}

TEST_CASE("failures of other attempts do not move the next probe") {
  EndpointHealth health = after_failures(5);
  health = after_failure(health, kStart + 3s, AttemptRole::ordinary);
  CHECK(health.next_probe_at == kStart + 10s);
  CHECK(health.probes == 0);
  CHECK(health.consecutive_failures == 6);
}

TEST_CASE("a success closes the circuit and forgets its probes") {
  EndpointHealth health = after_failure(after_failures(5), kStart, AttemptRole::probe);
  health = after_success(health, kStart + 1s);
  CHECK(circuit_state(health, 0) == CircuitState::closed);
  CHECK(health.probes == 0);
  CHECK(health.last_success_at == kStart + 1s);
  CHECK_FALSE(health.failing_since);
}

TEST_CASE("failing_since is the first failure since the last success") {
  EndpointHealth health = after_failure({}, kStart, AttemptRole::ordinary);
  health = after_failure(health, kStart + 5s, AttemptRole::ordinary);
  CHECK(health.failing_since == kStart);
  CHECK(health.last_failure_at == kStart + 5s);
}

}  // namespace webhookd
