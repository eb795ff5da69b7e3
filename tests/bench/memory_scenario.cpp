#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

#include "bench/publish_rig.h"
#include "bench/rates.h"
#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kHoldLimit{50};        // less than an attempt may take
constexpr std::size_t kOfEndpoint = 10;  // fewer than it may have under way
constexpr double kIdleGoal = 20;         // MiB
constexpr double kInFlightGoal = 300;

Row idle(const Context& context) {
  RigPlan plan;
  plan.events = 1;
  PublishRig rig(context, plan);
  const LoadResult load = run_load(rig.publishing(1));
  rig.wait_until_received(1, load.began + kHoldLimit);
  rig.wait_until_recorded(1, load.began + kHoldLimit);
  Row row{"memory_idle", rig.daemon().resident_mib(), "MiB", Goal{Goal::Side::at_most, kIdleGoal},
          "after one webhook and one delivery"};
  rig.finish();
  return row;
}

void wait_until_held(const PublishRig& rig, std::size_t count, Monotonic deadline) {
  while (rig.requests() < count) {
    if (steady_clock::now() > deadline) {
      throw Failed(fmt::format("only {} of {} attempts are in flight", rig.requests(), count));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

// What the daemon gives to deliveries of its descriptors, and endpoints are no quite even load of
// its loops. The receiver needs fewer.
void check_open_files(std::size_t in_flight) {
  const std::size_t needed = in_flight * 19 / 10;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) fail_with_errno("getrlimit");
  if (files.rlim_cur >= needed) return;
  throw Failed(fmt::format("{} attempts in flight need {} open files, the limit is {}: ulimit -n",
                           in_flight, needed, files.rlim_cur));
}

Row in_flight(const Context& context) {
  check_open_files(context.in_flight);
  RigPlan plan;
  plan.events = context.in_flight;
  plan.endpoints = context.in_flight / kOfEndpoint;
  plan.black_holes = plan.endpoints;
  plan.webhook = {{"timeout_seconds", 60}};
  PublishRig rig(context, plan);
  LoadPlan publishing = rig.publishing_batches(context.in_flight, kBatch);
  publishing.connections = 4;
  const LoadResult load = run_load(publishing);
  wait_until_held(rig, context.in_flight, load.began + kHoldLimit);
  return {"memory_in_flight", rig.daemon().resident_mib(), "MiB",
          Goal{Goal::Side::at_most, kInFlightGoal},
          fmt::format("{} attempts over plain HTTP to {} endpoints that do not answer; peak {:.0f}",
                      context.in_flight, plan.endpoints, rig.daemon().peak_mib())};
}

}  // namespace

std::vector<Row> measure_memory(const Context& context) {
  return {idle(context), in_flight(context)};
}

}  // namespace webhookd::bench
