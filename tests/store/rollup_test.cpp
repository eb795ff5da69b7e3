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

Tally varied_tally() {
  Tally tally;
  const Timestamp now{milliseconds{1'795'000'123'456}};
  tally.move(7, false, DeliveryStatus::in_flight, DeliveryStatus::succeeded, 3);
  tally.count(7, true, DeliveryStatus::failed, 2);
  tally.count(8, false, DeliveryStatus::pending, 1);
  tally.count(8, false, DeliveryStatus::pending, -1);
  Attempt attempt;
  attempt.response_status = 204;
  attempt.duration = milliseconds{17};
  tally.rollup(7, now).add_attempt(attempt);
  attempt.response_status.reset();
  attempt.error = DeliveryError{ErrorKind::timeout, ""};
  tally.rollup(7, now).add_attempt(attempt);
  tally.rollup(7, now).succeeded = -4;
  ++tally.rollup(9, now).created;
  tally.accepted(40, now);
  tally.accepted(42, now);
  return tally;
}

TEST_CASE("a tally survives being text, and two texts are their sum") {
  const Tally tally = varied_tally();
  const std::string text = tally.to_text();
  Tally again;
  again.merge_text(text);
  CHECK(again.to_text() == text);
  CHECK(again.backlog_change(7) == -3);
  const auto& [key, rollup] = *again.rollups().begin();
  CHECK(key == std::pair<std::int64_t, std::int64_t>{7, 1'795'000'000'000 / 300'000 * 300'000});
  CHECK(rollup.succeeded == -4);
  CHECK(rollup.attempts == 2);
  CHECK(rollup.latency_ms_sum == 17);
  CHECK(rollup.latencies.count() == 1);
  CHECK(rollup.codes == std::map<std::string, std::int64_t>{{"204", 1}, {"timeout", 1}});
  CHECK(again.spans().begin()->second.last_seq == 42);

  Tally twice = tally;
  twice.merge(tally);
  again.clear();
  again.merge_text(text + text);
  CHECK(again.to_text() == twice.to_text());
}

TEST_CASE("a tally that changes nothing has no text") {
  Tally tally;
  tally.count(8, false, DeliveryStatus::pending, 1);
  tally.count(8, false, DeliveryStatus::pending, -1);
  CHECK(tally.to_text().empty());
}

}  // namespace
}  // namespace webhookd::test
