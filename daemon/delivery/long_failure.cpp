#include "delivery/long_failure.h"

#include <fmt/format.h>

namespace webhookd {

bool has_failed_too_long(const EndpointHealth& health) {
  return health.consecutive_failures >= kFailuresThatDisable &&
         health.failing_for >= kFailingThatDisables;
}

std::string long_failure_reason(const EndpointHealth& health, const DeliveryError& last) {
  return fmt::format("every attempt has failed for {} days, {} in a row; the last: {}",
                     std::chrono::duration_cast<std::chrono::days>(health.failing_for).count(),
                     health.consecutive_failures, last.message);
}

}  // namespace webhookd
