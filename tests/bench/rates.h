#pragma once

// Small arithmetic that several scenarios share.

#include <chrono>
#include <cstddef>

#include "shared/time.h"

namespace webhookd::bench {

inline constexpr double kMillis = 1000;  // of a second

inline double seconds_of(Monotonic::duration time) {
  return std::chrono::duration<double>(time).count();
}

inline double per_second(std::size_t count, Monotonic::duration time) {
  return static_cast<double>(count) / seconds_of(time);
}

// The fixed rate at which latencies are taken, and connections enough for stalls of 50 ms.
inline constexpr int kEventsPerSecond = 1000;
inline constexpr std::chrono::nanoseconds kInterval =
    std::chrono::nanoseconds{std::chrono::seconds{1}} / kEventsPerSecond;
static_assert(kInterval * kEventsPerSecond == std::chrono::seconds{1});
inline constexpr int kScheduledClients = 64;
inline constexpr std::chrono::seconds kScheduleGrace{30};  // beyond the schedule's end

// What a webhook may have under way at most.
inline constexpr int kMostInFlight = 256;

inline constexpr std::size_t kBatch = 100;  // events of a batch

}  // namespace webhookd::bench
