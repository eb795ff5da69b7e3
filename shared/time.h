#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace webhookd {

// Wall-clock time, UTC, in milliseconds: what is stored, shown and compared with other machines.
using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

// Time that no administrator can set: deadlines and durations.
using Monotonic = std::chrono::steady_clock::time_point;

// Where time comes from. Tests replace it; code below the top level takes times as arguments.
// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual Monotonic monotonic() const = 0;
  // For how long the machine has slept so far, which monotonic() does not count and now() does.
  // Only differences mean something.
  virtual std::chrono::milliseconds slept() const { return std::chrono::milliseconds{0}; }
};

class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  Monotonic monotonic() const override;
  std::chrono::milliseconds slept() const override;
};

// "2026-11-23T09:00:00.000Z" (RFC 3339 section 5.6, always UTC with milliseconds).
std::string format_rfc3339(Timestamp time);

// Any RFC 3339 date-time: offset required, fractions of any length (cut to milliseconds),
// 'T' or a space between date and time. Absent when it is none or lies outside years 1..9999.
std::optional<Timestamp> parse_rfc3339(std::string_view text);

// "500ms", "30s", "5m", "24h", "7d", or a bare number of seconds; at most 10 years.
// Absent for anything else, negatives included.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// The largest unit that keeps it short: "350 ms", "12 s", "5 m", "3 h", "2 d".
std::string format_duration(std::chrono::milliseconds duration);

// An HTTP date in any of the three forms of RFC 9110 section 5.6.7.
std::optional<Timestamp> parse_http_date(std::string_view text);

inline Timestamp from_unix_millis(std::int64_t millis) {
  return Timestamp{std::chrono::milliseconds{millis}};
}
inline std::int64_t unix_millis(Timestamp time) { return time.time_since_epoch().count(); }
inline std::int64_t unix_seconds(Timestamp time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace webhookd
