#pragma once

#include <chrono>
#include <optional>

#include "shared/model.h"
#include "shared/time.h"

namespace webhookd {

// A circuit opens when this many attempts in a row have failed (contract section 5.5). Open, it
// lets one delivery at a time through as a probe. It only ever delays.
inline constexpr int kFailuresThatOpen = 5;
inline constexpr std::chrono::seconds kFirstProbeDelay{10};
inline constexpr std::chrono::seconds kLongestProbeDelay{600};

enum class AttemptRole { ordinary, probe };

// A success closes the circuit, whoever asked for the attempt.
EndpointHealth after_success(EndpointHealth health, Timestamp now);

// Only a failed probe moves the next one further away: attempts that were already under way when
// the circuit opened, and manual ones, do not.
EndpointHealth after_failure(EndpointHealth health, Timestamp now, AttemptRole role);

// The clock was set by so much, and shows `now` since: the next probe and the end of a hold are as
// far away as before, and nothing has happened later than now. A start takes what has for a sign
// that the clock was set back.
EndpointHealth after_clock_was_set(EndpointHealth health, std::chrono::milliseconds by,
                                   Timestamp now);

bool circuit_is_open(const EndpointHealth& health);
CircuitState circuit_state(const EndpointHealth& health, int probes_under_way);

}  // namespace webhookd
