#pragma once

#include <chrono>

#include "shared/time.h"

namespace webhookd {

// A token bucket: `per_second` (0.01...10000) on average, and at most a twentieth more, or one
// more, in any one second. Not thread-safe.
class RateLimiter {
 public:
  RateLimiter(double per_second, Monotonic now);

  // What was gathered or used up counts on.
  void set_rate(double per_second, Monotonic now);

  // Whole tokens there are at `now`. Times never go back.
  int available(Monotonic now);

  // Takes one; there must be one.
  void take(Monotonic now);

  // How long until there is a whole token; 0 when there is one.
  std::chrono::milliseconds until_next(Monotonic now);

 private:
  void refill(Monotonic now);

  double per_second_;
  double burst_;
  double tokens_;
  Monotonic filled_at_;
};

}  // namespace webhookd
