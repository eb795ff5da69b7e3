#pragma once

#include <chrono>

namespace webhookd {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kSanitizerFactor = 4;
#else
inline constexpr int kSanitizerFactor = 1;
#endif

// Long enough for a loaded machine: a test that waits this long fails.
inline constexpr std::chrono::seconds kPatience{20 * kSanitizerFactor};

}  // namespace webhookd
