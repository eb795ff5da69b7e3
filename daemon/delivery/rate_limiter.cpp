#include "delivery/rate_limiter.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace webhookd {
namespace {

// Sums of fractions fall short of whole tokens by rounding alone.
constexpr double kRoundingSlack = 1e-6;

// What a loop that comes round late does not lose: it keeps up a high rate by it, and no second
// sees much more.
constexpr double kLateness = 0.04;  // seconds
constexpr double kMostSpare = 0.9;  // of a token, where the rate is low

double burst_of(double per_second) {
  const double gathered = per_second * kLateness;
  return std::max(1.0 + std::min(gathered, kMostSpare), gathered);
}

}  // namespace

RateLimiter::RateLimiter(double per_second, Monotonic now)
    : per_second_(per_second), burst_(burst_of(per_second)), tokens_(1.0), filled_at_(now) {
  assert(per_second > 0);
}

void RateLimiter::set_rate(double per_second, Monotonic now) {
  assert(per_second > 0);
  refill(now);
  per_second_ = per_second;
  burst_ = burst_of(per_second);
  tokens_ = std::min(tokens_, burst_);
}

int RateLimiter::available(Monotonic now) {
  refill(now);
  return static_cast<int>(tokens_ + kRoundingSlack);
}

void RateLimiter::take(Monotonic now) {
  refill(now);
  assert(tokens_ + kRoundingSlack >= 1.0);
  tokens_ = std::max(0.0, tokens_ - 1.0);
}

std::chrono::milliseconds RateLimiter::until_next(Monotonic now) {
  refill(now);
  if (tokens_ + kRoundingSlack >= 1.0) return std::chrono::milliseconds{0};
  return std::chrono::milliseconds{std::llround(std::ceil((1.0 - tokens_) / per_second_ * 1000.0))};
}

void RateLimiter::refill(Monotonic now) {
  const std::chrono::duration<double> elapsed = now - filled_at_;
  tokens_ = std::min(burst_, tokens_ + std::max(0.0, elapsed.count()) * per_second_);
  filled_at_ = std::max(filled_at_, now);
}

}  // namespace webhookd
