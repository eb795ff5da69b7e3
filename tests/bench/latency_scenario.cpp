#include <fmt/format.h>

#include <chrono>

#include "bench/publish_rig.h"
#include "bench/rates.h"
#include "bench/samples.h"
#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

using std::chrono::seconds;

constexpr double kMedianGoal = 3;  // milliseconds
constexpr double kSlowestGoal = 25;

}  // namespace

std::vector<Row> measure_latency(const Context& context) {
  const auto events = static_cast<std::size_t>(kEventsPerSecond * context.seconds);
  const seconds limit = seconds{context.seconds} + kScheduleGrace;
  RigPlan rig_plan;
  rig_plan.events = events;
  rig_plan.webhook = {{"max_in_flight", kMostInFlight}};
  PublishRig rig(context, rig_plan);
  LoadPlan plan = rig.publishing(events);
  plan.connections = kScheduledClients;
  plan.interval = kInterval;
  plan.stop_after = limit;
  plan.time_limit = limit;
  const LoadResult load = run_load(plan);
  rig.wait_until_received(events, load.began + limit);

  Samples from_due;
  Samples from_sent;
  Samples lateness;
  for (std::size_t i = 0; i < load.exchanges.size(); ++i) {
    const Exchange& exchange = load.exchanges[i];
    from_due.add(rig.arrivals().at(i) - exchange.due);
    from_sent.add(rig.arrivals().at(i) - exchange.sent);
    lateness.add(exchange.sent - exchange.due);
  }
  rig.wait_until_recorded(events, load.began + limit);
  rig.finish();

  const auto row = [&](const char* name, double percent, std::optional<Goal> goal) {
    return Row{name, from_due.percentile(percent) * kMillis, "ms", goal,
               fmt::format("from the scheduled time; from the first byte sent {:.2f} ms",
                           from_sent.percentile(percent) * kMillis)};
  };
  std::vector<Row> rows{
      row("publish_to_received_p50", 50, Goal{Goal::Side::at_most, kMedianGoal}),
      row("publish_to_received_p99", 99, Goal{Goal::Side::at_most, kSlowestGoal}),
      row("publish_to_received_max", 100, std::nullopt),
  };
  rows.back().note +=
      fmt::format("; {} events at {}/s, generator late by p99 {:.2f} ms", from_due.count(),
                  kEventsPerSecond, lateness.percentile(99) * kMillis);
  return rows;
}

}  // namespace webhookd::bench
