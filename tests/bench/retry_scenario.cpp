#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "bench/arrivals.h"
#include "bench/daemon_process.h"
#include "bench/receiver.h"
#include "bench/samples.h"
#include "bench/scenario.h"
#include "bench/store_filler.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr std::size_t kStoredAtOnce = 1000;
// To record the failures, start the daemon and let it come to rest; the longer ones for when that
// takes longer.
constexpr std::array kRetryLeads{seconds{4}, seconds{12}, seconds{36}};
constexpr seconds kRetryLimit{60};
constexpr double kLatenessGoal = 1;  // second

Timestamp now() { return std::chrono::floor<milliseconds>(system_clock::now()); }

std::vector<Claim> claim_published(StoreFiller& filler, const Context& context,
                                   const Receiver& receiver) {
  std::vector<WebhookId> webhooks;
  for (std::size_t i = 0; i < context.endpoints; ++i) {
    webhooks.push_back(
        filler.add_webhook(i, context.endpoints, receiver.url(fmt::format("/hook/{}", i))));
  }
  for (std::size_t first = 0; first < context.retries; first += kStoredAtOnce) {
    const std::size_t count = std::min(kStoredAtOnce, context.retries - first);
    filler.publish(first, count, context.endpoints, now());
  }
  return filler.claim(webhooks, static_cast<int>(context.retries / context.endpoints + 1), now());
}

// Every delivery has failed once; the next attempts are spread evenly over one second. Returns
// when each is due, by the clock that arrivals have.
std::vector<Monotonic> fail_all(const Context& context, const Receiver& receiver,
                                const std::filesystem::path& state_dir, seconds lead) {
  StoreFiller filler(state_dir);
  const std::vector<Claim> claims = claim_published(filler, context, receiver);
  const Timestamp begin = now() + lead;
  const Monotonic began = steady_clock::now() + (begin - system_clock::now());
  std::vector<Monotonic> due(context.retries);
  std::size_t failed = 0;
  filler.record_failures(claims, now(), [&](const std::string& event_id) {
    const std::size_t index = event_index(event_id);
    const milliseconds offset{static_cast<milliseconds::rep>(index * 1000 / context.retries)};
    due.at(index) = began + offset;
    ++failed;
    return begin + offset;
  });
  if (failed != context.retries) {
    throw Failed(fmt::format("{} of {} deliveries were claimed", failed, context.retries));
  }
  return due;
}

// Absent when the daemon was not ready a second before the first was due.
std::optional<Samples> try_to_measure(const Context& context, seconds lead) {
  Arrivals arrivals(context.retries);
  Receiver receiver([&](const HttpMessage& request) {
    arrivals.record(request);
    return 200;
  });
  const TemporaryDir home(context.dir);
  const std::vector<Monotonic> due = fail_all(context, receiver, state_dir_in(home.path()), lead);
  DaemonProcess daemon(context.webhookd, home.path());
  if (steady_clock::now() + seconds{1} > due.front()) return std::nullopt;
  arrivals.wait_for(context.retries, due.front() + kRetryLimit);
  daemon.stop();
  receiver.check();
  Samples lateness;
  for (std::size_t i = 0; i < context.retries; ++i) lateness.add(arrivals.at(i) - due[i]);
  return lateness;
}

}  // namespace

std::vector<Row> measure_retries(const Context& context) {
  std::optional<Samples> lateness;
  for (const seconds lead : kRetryLeads) {
    if (!lateness) lateness = try_to_measure(context, lead);
  }
  if (!lateness) throw Failed("the daemon was never ready in time");
  return {
      {"retry_lateness_p99", lateness->percentile(99), "s",
       Goal{Goal::Side::at_most, kLatenessGoal},
       fmt::format("due to received; {} retries of {} endpoints, spread over one second; p50 "
                   "{:.3f}, max {:.3f}",
                   context.retries, context.endpoints, lateness->median(), lateness->largest())}};
}

}  // namespace webhookd::bench
