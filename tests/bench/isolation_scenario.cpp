#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/publish_rig.h"
#include "bench/rates.h"
#include "bench/samples.h"
#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

using std::chrono::seconds;

// More than the 16 attempts that each may have under way: black holes are full after the burst.
constexpr std::size_t kBurstEach = 20;
constexpr std::size_t kHealthyOfTen = 9;
// So that hanging attempts, their timeouts all at once and open circuits all fall into one run.
constexpr int kTimeoutSeconds = 5;
constexpr seconds kBurstLimit{90};
// A burst is over in a few seconds, in which a shared machine may do anything else.
constexpr int kBurstsPerRound = 5;
constexpr double kSlowdownGoal = 2.0;
constexpr double kHealthyRateGoal = 0.9;

// Of the healthy endpoints alone; both runs leave out the same tenth.
struct Healthy {
  double rate = 0;  // events received a second of a burst
  double p99 = 0;   // seconds from the scheduled time to received, at a fixed rate afterwards
};

class IsolationRun {
 public:
  IsolationRun(const Context& context, bool black_holes)
      : sick_(context.endpoints - kHealthyOfTen * context.endpoints / 10),
        endpoints_(context.endpoints),
        burst_(kBurstEach * endpoints_),
        steady_(static_cast<std::size_t>(kEventsPerSecond * context.seconds)),
        limit_(seconds{context.seconds} + kScheduleGrace),
        black_holes_(black_holes),
        rig_(context, plan()) {}

  Healthy measure() {
    Healthy healthy;
    healthy.rate = burst();
    healthy.p99 = steady();
    return healthy;
  }

  double burst() {
    LoadPlan load = rig_.publishing(burst_);
    load.time_limit = kBurstLimit;
    const LoadResult result = run_load(load);
    rig_.wait_until_received(arriving(burst_), result.began + kBurstLimit);
    Monotonic last = result.began;
    std::size_t count = 0;
    for (std::size_t i = 0; i < burst_; ++i) {
      if (!is_healthy(i)) continue;
      last = std::max(last, rig_.arrivals().at(i));
      ++count;
    }
    return per_second(count, last - result.began);
  }

 private:
  RigPlan plan() const {
    RigPlan plan;
    plan.events = burst_ + steady_;
    plan.endpoints = endpoints_;
    plan.black_holes = black_holes_ ? sick_ : 0;
    plan.webhook = {{"timeout_seconds", kTimeoutSeconds}};
    return plan;
  }

  bool is_healthy(std::size_t index) const { return index % endpoints_ >= sick_; }

  std::size_t arriving(std::size_t events) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < events; ++i) count += is_healthy(i) || !black_holes_ ? 1 : 0;
    return count;
  }

  double steady() {
    LoadPlan load = rig_.publishing(steady_, burst_);
    load.connections = kScheduledClients;
    load.interval = kInterval;
    load.stop_after = limit_;
    load.time_limit = limit_;
    const LoadResult result = run_load(load);
    rig_.wait_until_received(arriving(burst_ + steady_), result.began + limit_);
    Samples latency;
    for (std::size_t i = 0; i < steady_; ++i) {
      if (!is_healthy(burst_ + i)) continue;
      latency.add(rig_.arrivals().at(burst_ + i) - result.exchanges[i].due);
    }
    return latency.percentile(99);
  }

  const std::size_t sick_;
  const std::size_t endpoints_;
  const std::size_t burst_;
  const std::size_t steady_;
  const seconds limit_;
  const bool black_holes_;
  PublishRig rig_;
};

}  // namespace

std::vector<Row> measure_isolation(const Context& context) {
  Samples p99_without;
  Samples p99_with;
  Samples rate_without;
  Samples rate_with;
  Samples p99_ratio;
  Samples rate_ratio;
  for (int round = 0; round < context.rounds; ++round) {
    const Healthy without = IsolationRun(context, false).measure();
    const Healthy with = IsolationRun(context, true).measure();
    p99_without.add_number(without.p99 * kMillis);
    p99_with.add_number(with.p99 * kMillis);
    rate_without.add_number(without.rate);
    rate_with.add_number(with.rate);
    p99_ratio.add_number(with.p99 / without.p99);
    rate_ratio.add_number(with.rate / without.rate);
    // The other way round each time, so that a change of the machine's pace favours neither.
    for (int more = 1; more < kBurstsPerRound; ++more) {
      const bool holes_first = more % 2 == 1;
      const double first = IsolationRun(context, holes_first).burst();
      const double second = IsolationRun(context, !holes_first).burst();
      rate_with.add_number(holes_first ? first : second);
      rate_without.add_number(holes_first ? second : first);
      rate_ratio.add_number(holes_first ? first / second : second / first);
    }
  }
  const std::string setting = fmt::format(
      "{} of {} endpoints accept and never answer, every place of theirs taken, timeout {} s",
      context.endpoints / 10, context.endpoints, kTimeoutSeconds);
  return {
      {"isolation_p99_ratio", p99_ratio.median(), "x", Goal{Goal::Side::at_most, kSlowdownGoal},
       fmt::format("{}; at {} events/s for {} s p99 {:.2f} ms without, {:.2f} ms with; {}", setting,
                   kEventsPerSecond, context.seconds, p99_without.median(), p99_with.median(),
                   p99_ratio.spread(2))},
      {"isolation_rate_ratio", rate_ratio.median(), "x",
       Goal{Goal::Side::at_least, kHealthyRateGoal},
       fmt::format("burst of {} to each endpoint, healthy ones {:.0f}/s without, {:.0f}/s with; {}",
                   kBurstEach, rate_without.median(), rate_with.median(), rate_ratio.spread(2))},
  };
}

}  // namespace webhookd::bench
