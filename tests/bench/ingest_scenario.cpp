#include <fmt/format.h>

#include <chrono>
#include <utility>

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

// The same requests with a few bytes replaced by as many others.
class AlteredRequest {
 public:
  AlteredRequest(const std::string& token, std::size_t first, std::string from, std::string to)
      : write_(token, {PublishRequest::Form::single, 1, 1, first}),
        from_(std::move(from)),
        to_(std::move(to)) {}
  void operator()(std::size_t index, std::string& out) const {
    const std::size_t begin = out.size();
    write_(index, out);
    out.replace(out.find(from_, begin), from_.size(), to_);
  }

 private:
  PublishRequest write_;
  std::string from_;
  std::string to_;
};

// One daemon whose only webhook is paused.
class IngestRun {
 public:
  explicit IngestRun(const Context& context)
      : dir_(context.dir), events_(context.events), rig_(context, plan()) {}

  void round() {
    disk.add_number(fdatasync_rate(dir_, kDiskTime));
    const double refused = refused_rate();
    const double stored = single_rate();
    const double alone = unmatched_rate();
    noop.add_number(refused);
    single.add_number(stored);
    unmatched.add_number(alone);
    single_ratio.add_number(stored / refused);
    unmatched_ratio.add_number(alone / refused);
    batches.add_number(batch_rate());
  }

  // Everything that was accepted for the webhook waits for it. Throws Failed.
  void check() {
    const Json status = rig_.admin().get("/api/v1/admin/status");
    const auto backlog = status.at("backlog").get<std::size_t>();
    if (backlog == waiting_) return;
    throw Failed(fmt::format("{} of {} accepted events are waiting", backlog, waiting_));
  }

  Samples disk;
  Samples noop;
  Samples single;
  Samples single_ratio;
  Samples unmatched;
  Samples unmatched_ratio;
  Samples batches;

 private:
  static RigPlan plan() {
    RigPlan plan;
    plan.webhook = {{"status", "paused"}};
    return plan;
  }

  // An id that no event may have: the request is collected, its token checked, its body parsed and
  // every field looked at, and it is answered 422 before the store is asked.
  double refused_rate() {
    LoadPlan plan = rig_.publishing(events_);
    plan.write_request = AlteredRequest{rig_.token(), 0, "evt_bench", "evt.bench"};
    plan.expected_status = 422;
    return rate(plan, 1).second;
  }

  double single_rate() {
    const auto [count, rate_of_all] = rate(rig_.publishing(events_, next_), 1);
    waiting_ += count;
    return rate_of_all;
  }

  double unmatched_rate() {
    LoadPlan plan = rig_.publishing(events_);
    plan.write_request = AlteredRequest{rig_.token(), next_, "user.created", "user.updated"};
    return rate(plan, 1).second;
  }

  double batch_rate() {
    const auto [count, rate_of_all] = rate(rig_.publishing_batches(events_, kBatch, next_), kBatch);
    waiting_ += count;
    return rate_of_all;
  }

  // How many events were answered, and how many a second.
  std::pair<std::size_t, double> rate(LoadPlan plan, std::size_t events_each) {
    plan.stop_after = kLoadTime;
    plan.time_limit = kLoadLimit;
    const LoadResult load = run_load(plan);
    const std::size_t count = load.exchanges.size() * events_each;
    next_ += events_;
    return {count, per_second(count, load.ended - load.began)};
  }

  const std::filesystem::path dir_;
  const std::size_t events_;
  PublishRig rig_;
  std::size_t next_ = 0;     // event that was not published yet
  std::size_t waiting_ = 0;  // deliveries
};

}  // namespace

std::vector<Row> measure_ingest(const Context& context) {
  IngestRun run(context);
  for (int round = 0; round < context.rounds; ++round) run.round();
  run.check();
  const std::string what = fmt::format("{} x 512 B over 32 connections", context.events);
  return {
      {"noop_post", run.noop.median(), "POST/s", std::nullopt,
       fmt::format("same token and event with an id that is refused: parsed, checked, 422 before "
                   "the store; {}; {}",
                   what, run.noop.spread(0))},
      {"ingest_post", run.single.median(), "events/s", std::nullopt,
       fmt::format("durable, one matching webhook, paused; {}; {}; disk {:.0f} fdatasync/s", what,
                   run.single.spread(0), run.disk.median())},
      {"ingest_ratio", run.single_ratio.median(), "x noop", Goal{Goal::Side::at_least, kIngestGoal},
       fmt::format("{}; {:.3f} for events that no webhook matches ({:.0f}/s)",
                   run.single_ratio.spread(3), run.unmatched_ratio.median(),
                   run.unmatched.median())},
      {"batch_publish", run.batches.median(), "events/s", Goal{Goal::Side::at_least, kBatchGoal},
       fmt::format("durable, batches of {}, one matching webhook, paused; {}; {}", kBatch, what,
                   run.batches.spread(0))},
  };
}

}  // namespace webhookd::bench
