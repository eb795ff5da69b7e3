#include "delivery/rate_limiter.h"

#include <catch2/catch.hpp>

namespace webhookd {

using namespace std::chrono_literals;

namespace {
const Monotonic kStart{1h};
}

TEST_CASE("a burst is one, or what comes in the twinkling of an eye") {
  for (const double rate : {0.01, 10.0, 40.0}) {
    CHECK(RateLimiter(rate, kStart).available(kStart) == 1);
    CHECK(RateLimiter(rate, kStart).available(kStart + 1h) == 1);
  }
  CHECK(RateLimiter(10'000, kStart).available(kStart + 1h) == 400);
}

TEST_CASE("tokens come back at the rate") {
  RateLimiter limiter(100, kStart);
  limiter.take(kStart);
  CHECK(limiter.available(kStart) == 0);
  CHECK(limiter.until_next(kStart) == 10ms);
  CHECK(limiter.available(kStart + 9ms) == 0);
  CHECK(limiter.available(kStart + 10ms) == 1);
  CHECK(limiter.until_next(kStart + 10ms) == 0ms);
  CHECK(limiter.available(kStart + 30ms) == 3);
}

TEST_CASE("a loop that comes round late still reaches the rate") {
  for (const double rate : {5.0, 20.0, 100.0, 500.0}) {
    CAPTURE(rate);
    RateLimiter limiter(rate, kStart);
    int taken = 0;
    for (Monotonic now = kStart; now <= kStart + 60s; now += limiter.until_next(now) + 3ms) {
      for (; limiter.available(now) > 0; ++taken) limiter.take(now);
    }
    CHECK(taken >= rate * 60 * 0.99);
  }
}

TEST_CASE("another rate gives nothing away") {
  RateLimiter limiter(5, kStart);
  int taken = 0;
  for (int change = 0; change < 100; ++change) {
    const Monotonic now = kStart + change * 10ms;
    limiter.set_rate(change % 2 == 0 ? 5.1 : 5, now);
    for (; limiter.available(now) > 0; ++taken) limiter.take(now);
  }
  CHECK(taken <= 6);
  limiter.set_rate(1000, kStart + 1s);
  CHECK(limiter.available(kStart + 2s) == 40);
}

TEST_CASE("no second sees more than the rate and a twentieth, or one more") {
  for (const double rate : {1.0, 5.0, 20.0, 300.0, 5000.0}) {
    CAPTURE(rate);
    RateLimiter limiter(rate, kStart);
    int taken = 0;
    for (Monotonic now = kStart; now < kStart + 1s; now += 1ms) {
      for (; limiter.available(now) > 0; ++taken) limiter.take(now);
    }
    CHECK(taken >= rate * 0.98);
    CHECK(taken <= std::max(rate + 1, rate * 1.05));
  }
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
