#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "bench/api_client.h"
#include "bench/daemon_process.h"
#include "bench/load_generator.h"
#include "bench/publish_request.h"
#include "bench/rates.h"
#include "bench/samples.h"
#include "bench/scenario.h"
#include "bench/store_filler.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::chrono::hours kSpan{24 * 20};  // nothing of it is due for removal
constexpr seconds kFillLimit{900};
constexpr int kReads = 100;  // of each kind in a round
constexpr std::size_t kPostsPerEvent = 6;
constexpr seconds kHistoryLoadLimit{60};
constexpr double kReadGoal = 2;
constexpr double kHistoryIngestGoal = 0.6;
constexpr double kGib = 1024.0 * 1024 * 1024;

// Events that were each delivered at the first attempt to one webhook, which is paused now. As
// many moments for a short history as for a long one, so that both have equally many rollups.
WebhookId fill(const std::filesystem::path& state_dir, std::size_t count, std::size_t moments) {
  StoreFiller filler(state_dir);
  const WebhookId webhook = filler.add_webhook(0, 1, "http://127.0.0.1:9/hook");
  const Monotonic deadline = steady_clock::now() + kFillLimit;
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  const std::size_t each = std::max<std::size_t>(1, count / moments);
  for (std::size_t first = 0; first < count; first += each) {
    const auto share = static_cast<double>(first) / static_cast<double>(count);
    const auto age = std::chrono::duration_cast<milliseconds>((1 - share) * milliseconds{kSpan});
    const std::size_t here = std::min(each, count - first);
    filler.publish(first, here, 1, now - age);
    filler.record_successes(filler.claim({webhook}, static_cast<int>(here), now - age), now - age);
    if (steady_clock::now() > deadline) throw Failed("the history could not be built in time");
  }
  filler.pause(webhook);
  filler.keep_house(now);
  return webhook;
}

// "7.9 GiB, 100 % of it in the page cache"
std::string cache_state(const std::filesystem::path& file) {
  const FileDescriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) fail_with_errno("open " + file.string());
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(file));
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) fail_with_errno("mmap " + file.string());
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  const int result = ::mincore(mapped, size, pages.data());
  ::munmap(mapped, size);
  if (result != 0) fail_with_errno("mincore " + file.string());
  const auto cached = std::ranges::count_if(pages, [](auto flags) { return (flags & 1) != 0; });
  return fmt::format("{:.1f} GiB, {:.0f} % of it in the page cache",
                     static_cast<double>(size) / kGib,
                     100.0 * static_cast<double>(cached) / static_cast<double>(pages.size()));
}

// A daemon with so many deliveries behind it, to be started when all of them are stored.
class History {
 public:
  History(const Context& context, std::size_t count)
      : program_(context.webhookd),
        count_(count),
        next_(count),
        home_(context.dir),
        webhook_(fill(state_dir_in(home_.path()), count, context.moments)) {}

  void start() {
    daemon_.emplace(program_, home_.path());
    admin_.emplace(Address{daemon_->socket()});
    token_ = minted_token(*admin_);
    const auto total = admin_->get(list_path()).at("total").get<std::size_t>();
    if (total != count_) throw Failed(fmt::format("{} of {} deliveries are stored", total, count_));
  }

  Monotonic::duration list() { return timed(list_path()); }
  Monotonic::duration stats() { return timed(path() + "/stats"); }

  // Durable events a second, single POSTs over 32 connections; the webhook is paused.
  double ingest(std::size_t events) {
    LoadPlan plan;
    plan.target = daemon_->port();
    plan.requests = events;
    plan.write_request = PublishRequest{token_, {PublishRequest::Form::single, 1, 1, next_}};
    plan.time_limit = kHistoryLoadLimit;
    const LoadResult load = run_load(plan);
    next_ += events;
    return per_second(load.exchanges.size(), load.ended - load.began);
  }

  std::string database() const { return cache_state(state_dir_in(home_.path()) / "webhookd.db"); }

 private:
  std::string path() const { return "/api/v1/admin/webhooks/" + webhook_.value; }
  std::string list_path() const { return path() + "/deliveries?per_page=50"; }

  Monotonic::duration timed(const std::string& what) {
    const Monotonic began = steady_clock::now();
    admin_->get(what);
    return steady_clock::now() - began;
  }

  const std::filesystem::path program_;
  const std::size_t count_;
  std::size_t next_;  // event
  TemporaryDir home_;
  const WebhookId webhook_;
  std::optional<DaemonProcess> daemon_;
  std::optional<ApiClient> admin_;
  std::string token_;
};

// One figure of both, taken in turns, so that a slow spell of the machine meets both.
struct Compared {
  Samples few;
  Samples many;
  Samples ratio;
  void end_round(double of_few, double of_many) {
    few.add_number(of_few);
    many.add_number(of_many);
    ratio.add_number(of_many / of_few);
  }
};

void read_both(History& few, History& many, Monotonic::duration (History::*read)(),
               Compared& compared) {
  Samples of_few;
  Samples of_many;
  for (int i = 0; i < kReads; ++i) {
    of_few.add((few.*read)());
    of_many.add((many.*read)());
  }
  compared.end_round(of_few.median() * kMillis, of_many.median() * kMillis);
}

}  // namespace

std::vector<Row> measure_history(const Context& context) {
  History few(context, context.stored_few);
  History many(context, context.stored);
  few.start();
  many.start();
  Compared lists;
  Compared stats;
  Compared ingest;
  const std::size_t events = std::max<std::size_t>(100, context.events / kPostsPerEvent);
  for (int round = 0; round < context.rounds; ++round) {
    read_both(few, many, &History::list, lists);
    read_both(few, many, &History::stats, stats);
    const double of_few = few.ingest(events);
    ingest.end_round(of_few, many.ingest(events));
  }
  const auto row = [&](const char* name, Compared& compared, const char* unit, Goal goal,
                       const std::string& more) {
    return Row{name, compared.ratio.median(), "x", goal,
               fmt::format("{:.2f} {} with {} deliveries stored, {:.2f} with {}; {}",
                           compared.few.median(), unit, context.stored_few, compared.many.median(),
                           context.stored, more)};
  };
  const Goal reads{Goal::Side::at_most, kReadGoal};
  const std::string about =
      fmt::format("median of {} calls in turns, {}", kReads, lists.ratio.spread(2));
  return {
      row("history_list_ratio", lists, "ms", reads, "page 1 of 50; " + about),
      row("history_stats_ratio", stats, "ms", reads,
          fmt::format("24 h; median of {} calls in turns, {}", kReads, stats.ratio.spread(2))),
      row("history_ingest_ratio", ingest, "events/s",
          Goal{Goal::Side::at_least, kHistoryIngestGoal},
          fmt::format("{} single POSTs over 32 connections, ids in the order of time, {}; database "
                      "{}; SQLite caches 32 MB (writer), 4 MB (a reader)",
                      events, ingest.ratio.spread(2), many.database())),
  };
}

}  // namespace webhookd::bench
