#include "delivery/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "delivery/address_guard.h"
#include "delivery/curl_sender.h"
#include "delivery/diagnosis.h"
#include "delivery/loop_thread.h"

namespace webhookd {
namespace {

constexpr int kTestsAtOnce = 8;
constexpr std::chrono::milliseconds kLookForBreakEvery{50};  // while draining
constexpr int kMostIdleConnections = 8192;                   // per loop
constexpr int kFewestConnections = 16;

// A place among the tests under way, given back at the end.
class TestPlace {
 public:
  explicit TestPlace(std::atomic<int>& taken) : taken_(taken), granted_(take(taken)) {}
  ~TestPlace() {
    if (granted_) --taken_;
  }
  TestPlace(const TestPlace&) = delete;
  TestPlace& operator=(const TestPlace&) = delete;
  bool granted() const { return granted_; }

 private:
  // Who is refused takes no place even for a moment.
  static bool take(std::atomic<int>& taken) {
    int before = taken.load();
    while (before < kTestsAtOnce) {
      if (taken.compare_exchange_weak(before, before + 1)) return true;
    }
    return false;
  }

  std::atomic<int>& taken_;
  const bool granted_;
};

class LoopDispatcher final : public Dispatcher {
 public:
  LoopDispatcher(const DispatcherOptions& options, Store& store, const Clock& clock, Random& random,
                 std::function<void(const std::string&)> on_broken_store);
  ~LoopDispatcher() override;

  void notify(std::span<const WebhookId> webhooks) override;
  void refresh(const WebhookId& webhook) override;
  void catch_up() override;
  std::optional<EndpointState> state(const WebhookId& webhook) const override;
  std::variant<AttemptResult, TestFault> send_test(const WebhookId& webhook, const NewEvent& event,
                                                   const ChangeContext& context) override;
  std::optional<std::string> refused_literal(const Url& url) const override;
  std::optional<std::string> diagnose(const Delivery& delivery, std::span<const Attempt> attempts,
                                      std::chrono::seconds timeout) const override;
  std::vector<LoopStatus> loops() const override;
  void drain(std::chrono::milliseconds timeout) override;

 private:
  struct Loop {
    std::mutex refreshing;       // what is read first is posted first
    std::set<WebhookId> missed;  // guarded by refreshing: could not be read
    std::unique_ptr<LoopThread> thread;
  };

  std::size_t loop_of_shard(int shard) const {
    return static_cast<std::size_t>(shard) % loops_.size();
  }
  Loop& loop_of(const WebhookId& webhook) { return loops_[loop_of_shard(shard_of(webhook))]; }
  const Loop& loop_of(const WebhookId& webhook) const {
    return loops_[loop_of_shard(shard_of(webhook))];
  }
  std::vector<Endpoint> endpoints_of(std::size_t loop);
  void record_test(const QueueTurn& turn);
  void make_loop(std::size_t index, const DispatcherOptions& options, Random& random);
  void report_broken(const std::string& reason);
  void hand_over(std::vector<FreshClaim> claims);

  Store& store_;
  const Clock& clock_;
  const AddressGuard guard_;
  const std::function<void(const std::string&)> on_broken_store_;
  std::once_flag broken_reported_;
  std::atomic<bool> is_broken_{false};
  std::atomic<int> tests_{0};
  std::vector<Loop> loops_;
};

std::size_t loop_count(int wanted) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return static_cast<std::size_t>(std::clamp(wanted > 0 ? wanted : cores, 1, kShardCount));
}

LoopDispatcher::LoopDispatcher(const DispatcherOptions& options, Store& store, const Clock& clock,
                               Random& random,
                               std::function<void(const std::string&)> on_broken_store)
    : store_(store),
      clock_(clock),
      guard_(options.allow_networks),
      on_broken_store_(std::move(on_broken_store)),
      loops_(loop_count(options.loops)) {
  for (std::size_t i = 0; i < loops_.size(); ++i) make_loop(i, options, random);
  store_.hand_fresh_claims_to(
      [this](std::vector<FreshClaim> claims) { hand_over(std::move(claims)); });
  // None before all are there: what one of them records may be work for any other.
  for (Loop& loop : loops_) loop.thread->start();
}

LoopDispatcher::~LoopDispatcher() {
  store_.hand_fresh_claims_to(nullptr);
  for (Loop& loop : loops_) loop.thread->stop();
}

void LoopDispatcher::make_loop(std::size_t index, const DispatcherOptions& options,
                               Random& random) {
  ShardLoopOptions loop_options;
  const int connections =
      std::max(kFewestConnections, options.open_files / static_cast<int>(loops_.size()));
  // Without room for idle ones no connection would be used again.
  loop_options.max_in_flight =
      std::min(options.max_in_flight_per_loop, connections - connections / 8);
  loop_options.default_schedule = options.default_schedule;
  loop_options.style = {options.user_agent, options.header_prefix};
  CurlSenderOptions sender_options;
  sender_options.ca_file = options.ca_file;
  sender_options.most_idle =
      std::min(kMostIdleConnections, connections - loop_options.max_in_flight);
  loops_[index].thread = std::make_unique<LoopThread>(
      loop_options, make_curl_sender(sender_options, guard_, clock_), store_, clock_, random,
      endpoints_of(index), [this](std::span<const WebhookId> woken) { notify(woken); },
      [this](const std::string& reason) { report_broken(reason); });
}

std::vector<Endpoint> LoopDispatcher::endpoints_of(std::size_t loop) {
  std::vector<int> shards;
  for (int shard = 0; shard < kShardCount; ++shard) {
    if (loop_of_shard(shard) == loop) shards.push_back(shard);
  }
  return store_.endpoints(shards);
}

void LoopDispatcher::report_broken(const std::string& reason) {
  std::call_once(broken_reported_, [&] { on_broken_store_(reason); });
  is_broken_ = true;
}

void LoopDispatcher::notify(std::span<const WebhookId> webhooks) {
  if (webhooks.size() == 1) {
    loop_of(webhooks.front()).thread->note(webhooks);
    return;
  }
  std::vector<std::vector<WebhookId>> by_loop(loops_.size());
  for (const WebhookId& id : webhooks) by_loop[loop_of_shard(shard_of(id))].push_back(id);
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    if (!by_loop[i].empty()) loops_[i].thread->note(by_loop[i]);
  }
}

void LoopDispatcher::hand_over(std::vector<FreshClaim> claims) {
  std::vector<std::vector<FreshClaim>> by_loop(loops_.size());
  for (FreshClaim& claim : claims) {
    by_loop[loop_of_shard(shard_of(claim.webhook))].push_back(std::move(claim));
  }
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    if (!by_loop[i].empty()) loops_[i].thread->hand_over(std::move(by_loop[i]));
  }
}

void LoopDispatcher::refresh(const WebhookId& webhook) {
  Loop& loop = loop_of(webhook);
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> taken_over = done->get_future();
  {
    const std::lock_guard lock(loop.refreshing);
    loop.missed.insert(webhook);
    const auto posted = loop.thread->post(
        [webhook, done, endpoint = store_.endpoint(webhook)](ShardLoop& core, Moment now) {
          core.refresh(webhook, endpoint, now);
          done->set_value();
        });
    loop.missed.erase(webhook);
    if (posted == LoopThread::Posted::stopped) return;
  }
  taken_over.wait();
}

void LoopDispatcher::catch_up() {
  std::vector<WebhookId> missed;
  for (Loop& loop : loops_) {
    const std::lock_guard lock(loop.refreshing);
    missed.insert(missed.end(), loop.missed.begin(), loop.missed.end());
  }
  for (const WebhookId& webhook : missed) refresh(webhook);
}

std::optional<EndpointState> LoopDispatcher::state(const WebhookId& webhook) const {
  std::optional<EndpointState> state = loop_of(webhook).thread->state(webhook);
  if (state && state->held_until && *state->held_until <= clock_.now()) {
    state->held_until.reset();
    state->hold_reason.reset();
  }
  return state;
}

std::variant<AttemptResult, TestFault> LoopDispatcher::send_test(const WebhookId& webhook,
                                                                 const NewEvent& event,
                                                                 const ChangeContext& context) {
  const TestPlace place(tests_);
  if (!place.granted()) return TestFault::too_many;
  std::optional<Endpoint> endpoint = store_.endpoint(webhook);
  if (!endpoint) return TestFault::not_found;
  std::optional<ClaimedDelivery> delivery = store_.begin_test(webhook, event, context);
  if (!delivery) return TestFault::not_found;

  auto done = std::make_shared<std::promise<AttemptResult>>();
  std::future<AttemptResult> ended = done->get_future();
  TestSend test{std::move(*endpoint), std::move(*delivery),
                [done](AttemptResult result) { done->set_value(std::move(result)); }};
  const auto posted = loop_of(webhook).thread->post(
      [test = std::move(test)](ShardLoop& core, Moment now) { core.send_test(test, now); });
  if (posted == LoopThread::Posted::stopped) {
    throw StoreError(StoreError::Kind::unavailable, "the daemon is stopping");
  }
  QueueTurn turn;
  turn.results.push_back(ended.get());
  record_test(turn);
  return std::move(turn.results.front());
}

// When the store cannot take it now, the loop's recorder tries until it can: the caller learns of
// the failure, and the test does not stay in flight.
void LoopDispatcher::record_test(const QueueTurn& turn) {
  try {
    store_.queue_turn(turn, clock_.now());
  } catch (const StoreError&) {
    const AttemptResult& result = turn.results.front();
    loop_of(result.webhook).thread->post([result](ShardLoop& core, Moment) {
      core.record_test(result);
    });
    throw;
  }
}

std::optional<std::string> LoopDispatcher::refused_literal(const Url& url) const {
  return guard_.refusal(url);
}

std::optional<std::string> LoopDispatcher::diagnose(const Delivery& delivery,
                                                    std::span<const Attempt> attempts,
                                                    std::chrono::seconds timeout) const {
  return diagnosis_of(delivery, attempts, timeout);
}

std::vector<LoopStatus> LoopDispatcher::loops() const {
  std::vector<LoopStatus> statuses;
  for (const Loop& loop : loops_) {
    statuses.push_back(loop.thread->status());
    statuses.back().loop = static_cast<int>(statuses.size()) - 1;
  }
  return statuses;
}

void LoopDispatcher::drain(std::chrono::milliseconds timeout) {
  const Monotonic deadline = std::chrono::steady_clock::now() + timeout;
  for (Loop& loop : loops_) loop.thread->stop_starting();
  // Once the store is broken nothing can be recorded any more, so no loop becomes idle.
  for (Loop& loop : loops_) {
    Monotonic now = std::chrono::steady_clock::now();
    while (!is_broken_ && now < deadline &&
           !loop.thread->wait_until_idle(std::min(deadline, now + kLookForBreakEvery))) {
      now = std::chrono::steady_clock::now();
    }
  }
  for (Loop& loop : loops_) loop.thread->stop();
}

}  // namespace

void check_networks(std::span<const std::string> texts) {
  for (const std::string& text : texts) Network::parse(text);
}

std::unique_ptr<Dispatcher> start_dispatcher(
    const DispatcherOptions& options, Store& store, const Clock& clock, Random& random,
    std::function<void(const std::string&)> on_broken_store) {
  return std::make_unique<LoopDispatcher>(options, store, clock, random,
                                          std::move(on_broken_store));
}

}  // namespace webhookd
