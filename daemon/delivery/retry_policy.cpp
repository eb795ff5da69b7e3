#include "delivery/retry_policy.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "delivery/dispatcher.h"
#include "shared/ascii.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// Any number of digits; what exceeds the longest delay stops growing.
milliseconds seconds_up_to_longest(std::string_view digits) {
  const std::int64_t longest = std::chrono::seconds(kLongestRetryAfter).count();
  std::int64_t seconds = 0;
  for (const char digit : digits) seconds = std::min(longest, seconds * 10 + (digit - '0'));
  return std::chrono::seconds(seconds);
}

}  // namespace

std::vector<std::chrono::seconds> default_retry_schedule() {
  using namespace std::chrono_literals;
  return {5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h};
}

std::optional<milliseconds> next_delay(const RetryQuestion& question) {
  if (question.attempt_number >= question.max_attempts) return std::nullopt;
  const auto index = static_cast<std::size_t>(std::max(question.attempt_number, 1) - 1);
  if (index >= question.schedule.size()) return std::nullopt;
  const auto scheduled = static_cast<double>(milliseconds(question.schedule[index]).count());
  const milliseconds delay{std::llround(scheduled * (1.0 + question.jitter))};
  const milliseconds asked = question.retry_after.value_or(milliseconds{0});
  return std::max(delay, std::min<milliseconds>(asked, kLongestRetryAfter));
}

std::optional<milliseconds> parse_retry_after(std::string_view value, Timestamp now) {
  const std::string_view text = trimmed(value, kHttpSpace);
  if (all_digits(text)) return seconds_up_to_longest(text);
  const std::optional<Timestamp> date = parse_http_date(text);
  if (!date) return std::nullopt;
  return std::clamp<milliseconds>(*date - now, milliseconds{0}, kLongestRetryAfter);
}

}  // namespace webhookd
