#include "delivery/rate_limiter.h"

#include <catch2/catch.hpp>

namespace webhookd {

using namespace std::chrono_literals;

namespace {
const Monotonic kStart{1h};
}

TEST_CASE("a burst is as large as the rate, and at least one") {
  CHECK(RateLimiter(10, kStart).available(kStart) == 10);
  CHECK(RateLimiter(0.01, kStart).available(kStart) == 1);
  CHECK(RateLimiter(10'000, kStart).available(kStart) == 10'000);
  CHECK(RateLimiter(10, kStart).available(kStart + 1h) == 10);
}

TEST_CASE("tokens come back at the rate") {
  RateLimiter limiter(4, kStart);
  for (int i = 0; i < 4; ++i) limiter.take(kStart);
  CHECK(limiter.available(kStart) == 0);
  CHECK(limiter.until_next(kStart) == 250ms);
  CHECK(limiter.available(kStart + 249ms) == 0);
  CHECK(limiter.available(kStart + 250ms) == 1);
  CHECK(limiter.until_next(kStart + 250ms) == 0ms);
  CHECK(limiter.available(kStart + 750ms) == 3);
}

TEST_CASE("a slow rate waits for its whole interval") {
  RateLimiter limiter(0.01, kStart);
  limiter.take(kStart);
  CHECK(limiter.until_next(kStart) == 100s);
  CHECK(limiter.available(kStart + 99'999ms) == 0);
  CHECK(limiter.available(kStart + 100s) == 1);
}

TEST_CASE("waiting as long as it says is enough, at any rate") {
  for (const double rate : {0.03, 0.7, 3.0, 7.0, 333.0, 9999.0}) {
    CAPTURE(rate);
    RateLimiter limiter(rate, kStart);
    Monotonic now = kStart;
    for (int i = 0; i < 1000; ++i) {
      now += limiter.until_next(now);
      REQUIRE(limiter.available(now) >= 1);
      limiter.take(now);
    }
  }
}

TEST_CASE("over a minute no more goes than rate and burst allow") {
  RateLimiter limiter(7, kStart);
  int taken = 0;
  for (Monotonic now = kStart; now <= kStart + 60s; now += 13ms) {
    for (; limiter.available(now) > 0; ++taken) limiter.take(now);
  }
  CHECK(taken >= 7 * 60);
  CHECK(taken <= 7 * 60 + 7);
}

}  // namespace webhookd
