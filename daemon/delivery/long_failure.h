#pragma once

#include <chrono>
#include <string>

#include "shared/model.h"

namespace webhookd {

// A webhook is disabled when every attempt has failed for so long, and at least so many (contract
// section 5.6). The time is what the daemon has watched: neither a clock that was set nor the time
// in which the daemon did not run adds to it.
inline constexpr int kFailuresThatDisable = 10;
inline constexpr std::chrono::hours kFailingThatDisables{5 * 24};

bool has_failed_too_long(const EndpointHealth& health);

// A sentence's worth for disabled_reason.
std::string long_failure_reason(const EndpointHealth& health, const DeliveryError& last);

}  // namespace webhookd
