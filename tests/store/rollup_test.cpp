#include "store/sqlite/rollup.h"

#include <catch2/catch.hpp>

namespace webhookd::test {
namespace {

using std::chrono::milliseconds;

TEST_CASE("a percentile is at most a tenth off, from 1 ms to an hour") {
  for (std::int64_t value = 1; value < 3'600'000; value = value * 13 / 10 + 1) {
    LatencyHistogram histogram;
    histogram.add(milliseconds{value});
    CHECK(histogram.percentile(0.5) ==
          Approx(static_cast<double>(value)).epsilon(0).margin(0.1 * static_cast<double>(value)));
  }
}

TEST_CASE("percentiles pick the value at their rank") {
  LatencyHistogram histogram;
  CHECK_FALSE(histogram.percentile(0.5));
  histogram.add(milliseconds{0}, 50);
  histogram.add(milliseconds{100}, 45);
  histogram.add(milliseconds{10'000}, 5);
  CHECK(histogram.count() == 100);
  CHECK(*histogram.percentile(0.50) == 0.0);
  CHECK(*histogram.percentile(0.51) == Approx(100).epsilon(0.1));
  CHECK(*histogram.percentile(0.95) == Approx(100).epsilon(0.1));
  CHECK(*histogram.percentile(0.99) == Approx(10'000).epsilon(0.1));
}

TEST_CASE("histograms and codes survive being text") {
  LatencyHistogram histogram;
  histogram.add(milliseconds{3}, 2);
  histogram.add(milliseconds{700}, 9);
  const LatencyHistogram again = LatencyHistogram::from_text(histogram.to_text());
  CHECK(again.count() == 11);
  CHECK(again.percentile(0.9) == histogram.percentile(0.9));
  CHECK(LatencyHistogram::from_text("").count() == 0);
  const std::map<std::string, std::int64_t> codes{{"200", 5}, {"timeout", 1}};
  CHECK(codes_from_text(codes_to_text(codes)) == codes);
  CHECK(codes_from_text("").empty());
}

}  // namespace
}  // namespace webhookd::test
