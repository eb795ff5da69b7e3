#include "delivery/retry_policy.h"

#include <catch2/catch.hpp>
#include <vector>

#include "delivery/dispatcher.h"

namespace webhookd {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

const std::vector<std::chrono::seconds> kDelays{5s, 300s, 1800s};

std::optional<milliseconds> delay(int number, int most,
                                  std::optional<milliseconds> retry_after = std::nullopt,
                                  double jitter = 0) {
  return next_delay({number, most, kDelays, retry_after, jitter});
}

}  // namespace

TEST_CASE("the default schedule is the contract's") {
  CHECK(default_retry_schedule() ==
        std::vector<std::chrono::seconds>{5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h});
}

TEST_CASE("each attempt has the delay of its place in the schedule") {
  CHECK(delay(1, 4) == 5s);
  CHECK(delay(2, 4) == 300s);
  CHECK(delay(3, 4) == 1800s);
}

TEST_CASE("there is no next attempt when the schedule or the attempts are used up") {
  CHECK_FALSE(delay(4, 4));
  CHECK_FALSE(delay(4, 10));
  CHECK_FALSE(delay(2, 2));
  CHECK_FALSE(delay(1, 1));
  CHECK_FALSE(delay(1, 1, 60s));
  CHECK_FALSE(next_delay({1, 10, {}, std::nullopt, 0}));
}

TEST_CASE("jitter moves a delay by its share") {
  CHECK(delay(2, 4, std::nullopt, 0.1) == 330s);
  CHECK(delay(2, 4, std::nullopt, -0.1) == 270s);
  CHECK(delay(1, 4, std::nullopt, 0.05) == 5250ms);
}

TEST_CASE("a longer Retry-After wins, up to 24 hours") {
  CHECK(delay(1, 4, 60s) == 60s);
  CHECK(delay(2, 4, 60s) == 300s);
  CHECK(delay(2, 4, 300s, -0.1) == 300s);
  CHECK(delay(1, 4, 100h) == 24h);
}

TEST_CASE("Retry-After is read as seconds or as a date") {
  const Timestamp now = *parse_rfc3339("2026-11-23T09:00:00Z");
  CHECK(parse_retry_after("120", now) == 120s);
  CHECK(parse_retry_after(" 7\t", now) == 7s);
  CHECK(parse_retry_after("0", now) == 0s);
  CHECK(parse_retry_after("86401", now) == 24h);
  CHECK(parse_retry_after("99999999999999999999999999", now) == 24h);
  CHECK(parse_retry_after("Mon, 23 Nov 2026 09:05:00 GMT", now) == 5min);
  CHECK(parse_retry_after("Mon, 23 Nov 2026 08:00:00 GMT", now) == 0s);
  CHECK(parse_retry_after("Wed, 25 Nov 2026 09:00:00 GMT", now) == 24h);
  for (const char* text : {"", "soon", "-5", "1.5", "1e3", "+3", "0x10", "5 s"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_retry_after(text, now));
  }
}

}  // namespace webhookd
