#include "delivery/circuit.h"

#include <algorithm>

namespace webhookd {
namespace {

std::chrono::seconds probe_delay(int probes_made) {
  constexpr int kDoublingsToLongest = 6;
  const int doublings = std::clamp(probes_made, 0, kDoublingsToLongest);
  return std::min(kFirstProbeDelay * (1 << doublings), kLongestProbeDelay);
}

}  // namespace

EndpointHealth after_success(EndpointHealth health, Timestamp now) {
  health.consecutive_failures = 0;
  health.failing_since.reset();
  health.failing_for = std::chrono::milliseconds{0};
  health.last_success_at = now;
  health.probes = 0;
  health.next_probe_at.reset();
  return health;
}

EndpointHealth after_failure(EndpointHealth health, Timestamp now, AttemptRole role) {
  ++health.consecutive_failures;
  if (!health.failing_since) health.failing_since = now;
  health.last_failure_at = now;
  if (!circuit_is_open(health)) {
    if (health.consecutive_failures < kFailuresThatOpen) return health;
    health.probes = 0;
    health.next_probe_at = now + probe_delay(0);
    return health;
  }
  if (role == AttemptRole::probe) {
    ++health.probes;
    health.next_probe_at = now + probe_delay(health.probes);
  }
  return health;
}

EndpointHealth after_clock_was_set(EndpointHealth health, std::chrono::milliseconds by,
                                   Timestamp now) {
  for (auto* const past :
       {&health.failing_since, &health.last_success_at, &health.last_failure_at}) {
    if (*past) *past = std::min(**past, now);
  }
  if (health.next_probe_at) *health.next_probe_at += by;
  if (health.held_until) *health.held_until += by;
  return health;
}

bool circuit_is_open(const EndpointHealth& health) { return health.next_probe_at.has_value(); }

CircuitState circuit_state(const EndpointHealth& health, int probes_under_way) {
  if (!circuit_is_open(health)) return CircuitState::closed;
  return probes_under_way > 0 ? CircuitState::half_open : CircuitState::open;
}

}  // namespace webhookd
