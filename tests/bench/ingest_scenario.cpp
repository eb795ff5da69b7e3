#include <fmt/format.h>

#include <chrono>

#include "bench/publish_rig.h"
#include "bench/rates.h"
#include "bench/samples.h"
#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kLoadTime{4};
constexpr seconds kLoadLimit{60};
constexpr milliseconds kDiskTime{300};
constexpr double kIngestGoal = 0.5;
constexpr double kBatchGoal = 30'000;

// The same event under an id that no event may have: the request is collected, its token checked,
// its body parsed and every field looked at, and it is answered 422 before the store is asked.
class RefusedRequest {
 public:
  explicit RefusedRequest(const std::string& token) : write_(token, {}) {}
  void operator()(std::size_t index, std::string& out) const {
    const std::size_t begin = out.size();
    write_(index, out);
    const std::size_t at = out.find("evt_bench", begin);
    out[at + 3] = '.';
  }

 private:
  PublishRequest write_;
};

double publish_rate(LoadPlan plan, std::size_t events_each) {
  plan.stop_after = kLoadTime;
  plan.time_limit = kLoadLimit;
  const LoadResult load = run_load(plan);
  return per_second(load.exchanges.size() * events_each, load.ended - load.began);
}

}  // namespace

std::vector<Row> measure_ingest(const Context& context) {
  RigPlan rig_plan;
  rig_plan.webhook = {{"status", "paused"}};
  PublishRig rig(context, rig_plan);
  Samples nothing;
  Samples stored;
  Samples batches;
  Samples ratio;
  Samples disk;
  std::size_t first = 0;
  for (int round = 0; round < context.rounds; ++round) {
    disk.add_number(fdatasync_rate(context.dir, kDiskTime));
    LoadPlan refused = rig.publishing(context.events);
    refused.write_request = RefusedRequest{rig.token()};
    refused.expected_status = 422;
    const double alone = publish_rate(refused, 1);
    const double rate = publish_rate(rig.publishing(context.events, first), 1);
    first += context.events;
    batches.add_number(publish_rate(rig.publishing_batches(context.events, kBatch, first), kBatch));
    first += context.events;
    nothing.add_number(alone);
    stored.add_number(rate);
    ratio.add_number(rate / alone);
  }
  const std::string what = fmt::format("{} x 512 B over 32 connections", context.events);
  return {
      {"noop_post", nothing.median(), "POST/s", std::nullopt,
       fmt::format("same token and event with an id that is refused: parsed, checked, 422 before "
                   "the store; {}; {}",
                   what, nothing.spread(0))},
      {"ingest_post", stored.median(), "events/s", std::nullopt,
       fmt::format("durable, one matching webhook, paused; {}; {}; disk {:.0f} fdatasync/s", what,
                   stored.spread(0), disk.median())},
      {"ingest_ratio", ratio.median(), "x noop", Goal{Goal::Side::at_least, kIngestGoal},
       ratio.spread(3)},
      {"batch_publish", batches.median(), "events/s", Goal{Goal::Side::at_least, kBatchGoal},
       fmt::format("durable, batches of {}, one matching webhook, paused; {}; {}", kBatch, what,
                   batches.spread(0))},
  };
}

}  // namespace webhookd::bench
