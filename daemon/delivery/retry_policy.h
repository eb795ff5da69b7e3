#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

#include "shared/time.h"

namespace webhookd {

// A Retry-After is honoured up to this (contract section 5.4).
inline constexpr std::chrono::hours kLongestRetryAfter{24};

// A failed attempt, as far as its retry is concerned.
struct RetryQuestion {
  int attempt_number = 1;  // of the attempt that failed, 1...
  int max_attempts = 1;
  std::span<const std::chrono::seconds> schedule;  // delays after attempt 1, 2, ...
  std::optional<std::chrono::milliseconds> retry_after;
  double jitter = 0;  // share of the scheduled delay, -0.1...0.1
};

// How long to wait before the next attempt; absent when there is none. A manual attempt asks the
// same way: what is left of the schedule, or nothing.
std::optional<std::chrono::milliseconds> next_delay(const RetryQuestion& question);

// Retry-After (RFC 9110 section 10.2.3): seconds or a date, never negative, at most
// kLongestRetryAfter. Absent when it is neither.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value, Timestamp now);

}  // namespace webhookd
