#include "shared/time.h"

#include <catch2/catch.hpp>

using namespace webhookd;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kExample = 1'795'424'400'000;  // 2026-11-23T09:00:00Z
constexpr std::int64_t kHttpExample = 784'111'777'000;

std::int64_t millis_of(const std::optional<Timestamp>& time) {
  REQUIRE(time);
  return unix_millis(*time);
}

}  // namespace

TEST_CASE("a time is written in UTC with milliseconds") {
  CHECK(format_rfc3339(from_unix_millis(kExample)) == "2026-11-23T09:00:00.000Z");
  CHECK(format_rfc3339(from_unix_millis(kExample + 7)) == "2026-11-23T09:00:00.007Z");
  CHECK(format_rfc3339(from_unix_millis(-1)) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("a date-time is read with every offset and fraction") {
  CHECK(millis_of(parse_rfc3339("2026-11-23T09:00:00Z")) == kExample);
  CHECK(millis_of(parse_rfc3339("2026-11-23t09:00:00z")) == kExample);
  CHECK(millis_of(parse_rfc3339("2026-11-23 10:30:00+01:30")) == kExample);
  CHECK(millis_of(parse_rfc3339("2026-11-22T22:00:00-11:00")) == kExample);
  CHECK(millis_of(parse_rfc3339("2026-11-23T09:00:00-00:00")) == kExample);
  CHECK(millis_of(parse_rfc3339("2026-11-23T09:00:00.5Z")) == kExample + 500);
  CHECK(millis_of(parse_rfc3339("2026-11-23T09:00:00.0129999999999999Z")) == kExample + 12);
  CHECK(parse_rfc3339("2024-02-29T00:00:00Z"));
  CHECK(parse_rfc3339("2000-02-29T00:00:00Z"));
  CHECK(parse_rfc3339("0001-01-01T00:00:00Z"));
  CHECK(parse_rfc3339("9999-12-31T23:59:59.999Z"));
}

TEST_CASE("what is no RFC 3339 date-time is refused") {
  const auto* text = GENERATE(
      "", "2026-11-23", "2026-11-23T09:00:00", "2026-11-23T09:00Z", "2026-11-23T09:00:60Z",
      "2026-11-23T24:00:00Z", "2026-11-23T09:60:00Z", "2026-13-01T00:00:00Z",
      "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z", "2023-02-29T00:00:00Z",
      "1900-02-29T00:00:00Z", "2026-11-00T00:00:00Z", "2026-11-23T09:00:00.Z",
      "2026-11-23T09:00:00,5Z", "2026-11-23T09:00:00+0100", "2026-11-23T09:00:00+24:00",
      "2026-11-23T09:00:00+01:60", "2026-11-23T09:00:00ZZ", " 2026-11-23T09:00:00Z",
      "2026-11-23T09:00:00Z ", "2026-11-23_09:00:00Z", "2026-1-23T09:00:00Z",
      "+026-11-23T09:00:00Z", "-026-11-23T09:00:00Z", "2026-11-23T9:00:00Z", "20261123T090000Z");
  CAPTURE(text);
  CHECK_FALSE(parse_rfc3339(text));
}

TEST_CASE("a time outside the years 1 to 9999 is refused, in UTC too") {
  CHECK_FALSE(parse_rfc3339("0000-12-31T23:59:59Z"));
  CHECK_FALSE(parse_rfc3339("0001-01-01T00:00:00+00:01"));
  CHECK_FALSE(parse_rfc3339("9999-12-31T23:59:59-00:01"));
  CHECK(parse_rfc3339("0000-12-31T23:59:00-00:01"));
}

TEST_CASE("what was written is read back the same") {
  for (const std::int64_t millis :
       {std::int64_t{0}, kExample + 123, std::int64_t{-62135596800000}}) {
    CHECK(millis_of(parse_rfc3339(format_rfc3339(from_unix_millis(millis)))) == millis);
  }
}

TEST_CASE("a duration takes a unit or is in seconds") {
  CHECK(parse_duration("500ms") == 500ms);
  CHECK(parse_duration("30s") == 30s);
  CHECK(parse_duration("30") == 30s);
  CHECK(parse_duration("5m") == 5min);
  CHECK(parse_duration("24h") == 24h);
  CHECK(parse_duration("7d") == 168h);
  CHECK(parse_duration("0") == 0ms);
  CHECK(parse_duration("3650d") == std::chrono::days{3650});
  CHECK(parse_duration("315360000000ms") == std::chrono::days{3650});
}

TEST_CASE("what is no duration, or longer than ten years, is refused") {
  const auto* text = GENERATE("", "s", "-1s", "+1s", "1.5s", "1 s", "1w", "1S", "1sec", "ms", "1s ",
                              "3651d", "315360000001ms", "999999999999", "99999999999999999999d");
  CAPTURE(text);
  CHECK_FALSE(parse_duration(text));
}

TEST_CASE("a duration is shown in the largest unit that it fills") {
  CHECK(format_duration(0ms) == "0 ms");
  CHECK(format_duration(350ms) == "350 ms");
  CHECK(format_duration(999ms) == "999 ms");
  CHECK(format_duration(12s) == "12 s");
  CHECK(format_duration(59'999ms) == "59 s");
  CHECK(format_duration(5min) == "5 m");
  CHECK(format_duration(3h) == "3 h");
  CHECK(format_duration(47h) == "1 d");
  CHECK(format_duration(-90s) == "-1 m");
}

TEST_CASE("all three forms of an HTTP date are read") {
  CHECK(millis_of(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")) == kHttpExample);
  CHECK(millis_of(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT")) == kHttpExample);
  CHECK(millis_of(parse_http_date("Sun Nov  6 08:49:37 1994")) == kHttpExample);
  CHECK(millis_of(parse_http_date("Wed Nov 16 08:49:37 1994")) == kHttpExample + 864'000'000);
}

TEST_CASE("a two-digit year below 70 is in this century") {
  CHECK(parse_http_date("Monday, 23-Nov-26 09:00:00 GMT") == from_unix_millis(kExample));
}

TEST_CASE("a leap second in an HTTP date is the next second") {
  CHECK(parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") ==
        parse_http_date("Sun, 01 Jan 2017 00:00:00 GMT"));
}

TEST_CASE("what is no HTTP date is refused") {
  const auto* text = GENERATE("", "120", "Sun, 06 Nov 1994 08:49:37",
                              "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000",
                              "Sun, 6 Nov 1994 08:49:37 GMT", "sun, 06 nov 1994 08:49:37 gmt",
                              "Xxx, 06 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
                              "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
                              "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun Nov 6 08:49:37 1994",
                              "Sun Nov 06 08:49:37 94", "Sunday, 06-Nov-1994 08:49:37 GMT",
                              "06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z");
  CAPTURE(text);
  CHECK_FALSE(parse_http_date(text));
}

TEST_CASE("Unix seconds are rounded down, before 1970 too") {
  CHECK(unix_seconds(from_unix_millis(1999)) == 1);
  CHECK(unix_seconds(from_unix_millis(-1)) == -1);
}

TEST_CASE("the system's clocks go forward") {
  const SystemClock clock;
  CHECK(clock.now() > from_unix_millis(kExample - 100LL * 365 * 86'400'000));
  const Monotonic first = clock.monotonic();
  CHECK(clock.monotonic() >= first);
}
