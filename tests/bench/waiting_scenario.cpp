#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "bench/publish_rig.h"
#include "bench/rates.h"
#include "bench/samples.h"
#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t kLargeBatch = 1000;
constexpr int kBatchClients = 4;
constexpr seconds kPublishLimit{300};
constexpr seconds kResumeLimit{30};
constexpr double kMemoryGoal = 120;  // MiB
constexpr double kReadyGoal = 1;     // second

double build(PublishRig& rig, std::size_t waiting) {
  LoadPlan plan = rig.publishing_batches(waiting, kLargeBatch);
  plan.connections = kBatchClients;
  plan.stop_after = kPublishLimit;
  plan.time_limit = kPublishLimit;
  const LoadResult load = run_load(plan);
  if (load.exchanges.size() != plan.requests) {
    throw Failed(fmt::format("only {} batches of {} were published in time", load.exchanges.size(),
                             plan.requests));
  }
  const Json status = rig.admin().get("/api/v1/admin/status");
  const auto backlog = status.at("backlog").get<std::size_t>();
  if (backlog != waiting) throw Failed(fmt::format("{} of {} are waiting", backlog, waiting));
  return per_second(waiting, load.ended - load.began);
}

// Resumed to an endpoint that does not answer: its places are taken, the rest waits behind them.
double resident_when_resumed(PublishRig& rig) {
  rig.admin().patch("/api/v1/admin/webhooks/" + rig.webhook_id(), {{"status", "active"}});
  const Monotonic deadline = steady_clock::now() + kResumeLimit;
  while (rig.requests() < std::uint64_t{kMostInFlight}) {
    if (steady_clock::now() > deadline) throw Failed("what waits is not sent after resuming");
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return rig.daemon().resident_mib();
}

}  // namespace

std::vector<Row> measure_waiting(const Context& context) {
  RigPlan plan;
  plan.black_holes = 1;
  plan.webhook = {{"status", "paused"}, {"max_in_flight", kMostInFlight}, {"timeout_seconds", 60}};
  plan.flags = {"--drain-timeout", "100ms"};
  PublishRig rig(context, plan);
  const double rate = build(rig, context.waiting);
  const double built = rig.daemon().resident_mib();

  rig.daemon().kill_now();
  rig.start_again();
  const double after_crash = seconds_of(rig.daemon().start_time());
  const double resumed = resident_when_resumed(rig);

  Samples starts;
  for (int round = 0; round < context.rounds; ++round) {
    rig.daemon().stop();
    rig.start_again();
    starts.add_number(seconds_of(rig.daemon().start_time()));
  }
  const Goal ready{Goal::Side::at_most, kReadyGoal};
  return {
      {"memory_waiting", std::max(built, resumed), "MiB", Goal{Goal::Side::at_most, kMemoryGoal},
       fmt::format(
           "{} x 512 B wait; {:.0f} after they were published in batches of {} at {:.0f}/s, "
           "{:.0f} after a start, with {} under way",
           context.waiting, built, kLargeBatch, rate, resumed, kMostInFlight)},
      {"start_to_ready", starts.median(), "s", ready,
       fmt::format("{} waiting, after SIGTERM, page cache warm; {}", context.waiting,
                   starts.spread(2))},
      {"start_to_ready_killed", after_crash, "s", ready,
       fmt::format("{} waiting, after kill -9 right behind the last of them", context.waiting)},
  };
}

}  // namespace webhookd::bench
