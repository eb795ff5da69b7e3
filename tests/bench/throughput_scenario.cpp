#include <fmt/format.h>

#include <chrono>

#include "bench/bare_sender.h"
#include "bench/publish_rig.h"
#include "bench/receiver.h"
#include "bench/samples.h"
#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t kBarePosts = 60'000;
constexpr seconds kBareTime{3};
constexpr int kClients = 32;
constexpr seconds kPublishTime{10};
constexpr seconds kRoundLimit{90};
constexpr double kRatioGoal = 0.25;

double per_second(std::size_t count, Monotonic::duration time) {
  return static_cast<double>(count) / std::chrono::duration<double>(time).count();
}

double bare_rate() {
  Receiver receiver;
  SendPlan plan;
  plan.url = receiver.url("/hook");
  plan.body = event_body(0);
  plan.posts = kBarePosts;
  plan.stop_after = kBareTime;
  const SendResult result = run_bare_sender(plan);
  receiver.check();
  if (receiver.requests() != result.posts) {
    throw Failed(fmt::format("the bare sender sent {} posts, the receiver got {}", result.posts,
                             receiver.requests()));
  }
  return per_second(result.posts, result.took);
}

struct EndToEnd {
  double rate = 0;      // first POST to everything recorded
  double accepted = 0;  // first POST to last answer
};

EndToEnd end_to_end(const Context& context) {
  PublishRig rig(context, context.events);
  LoadPlan plan = rig.publishing();
  plan.connections = kClients;
  plan.stop_after = kPublishTime;
  plan.time_limit = kRoundLimit;
  const LoadResult load = run_load(plan);
  const std::size_t count = load.exchanges.size();
  rig.wait_until_received(count, load.began + kRoundLimit);
  rig.wait_until_recorded(count, load.began + kRoundLimit);
  const Monotonic ended = steady_clock::now();
  rig.finish();
  return {per_second(count, ended - load.began), per_second(count, load.ended - load.began)};
}

std::string spread(Samples& samples, int precision) {
  return fmt::format("median of {}, {:.{}f} to {:.{}f}", samples.count(), samples.smallest(),
                     precision, samples.largest(), precision);
}

}  // namespace

std::vector<Row> measure_throughput(const Context& context) {
  Samples bare;
  Samples whole;
  Samples accepted;
  Samples ratio;
  for (int round = 0; round < context.rounds; ++round) {
    // Side by side, so that a slow spell of the machine meets both.
    const double alone = bare_rate();
    const EndToEnd rates = end_to_end(context);
    bare.add_number(alone);
    whole.add_number(rates.rate);
    accepted.add_number(rates.accepted);
    ratio.add_number(rates.rate / alone);
  }
  return {
      {"bare_sender", bare.median(), "POST/s", std::nullopt,
       fmt::format("libcurl multi, 64 in flight, 512 B; {}", spread(bare, 0))},
      {"end_to_end", whole.median(), "events/s", std::nullopt,
       fmt::format("first POST to all recorded; {}; accepted at {:.0f}/s", spread(whole, 0),
                   accepted.median())},
      {"end_to_end_ratio", ratio.median(), "x bare", Goal{Goal::Side::at_least, kRatioGoal},
       spread(ratio, 3)},
  };
}

}  // namespace webhookd::bench
