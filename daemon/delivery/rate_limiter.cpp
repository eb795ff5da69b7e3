#include "delivery/rate_limiter.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace webhookd {
namespace {

// Sums of fractions fall short of whole tokens by rounding alone.
constexpr double kRoundingSlack = 1e-6;

// What may gather while nothing is sent, in seconds of the rate: enough that a loop which comes
// round every few milliseconds keeps up a high rate, little enough that no second sees much more.
constexpr double kBurstSeconds = 0.05;

}  // namespace

RateLimiter::RateLimiter(double per_second, Monotonic now)
    : per_second_(per_second),
      burst_(std::max(1.0, per_second * kBurstSeconds)),
      tokens_(burst_),
      filled_at_(now) {
  assert(per_second > 0);
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
