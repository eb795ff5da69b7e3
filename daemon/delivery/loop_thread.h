#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "delivery/dispatcher.h"
#include "delivery/recorder.h"
#include "delivery/sender.h"
#include "delivery/shard_loop.h"
#include "delivery/state_board.h"

namespace webhookd {

// A shard loop on a thread of its own, with its sender and its recorder. Thread-safe.
class LoopThread {
 public:
  // `endpoints` are those of its shards. `on_woken` is called, from its recorder's thread, with
  // webhooks of any loop that the store has given new work. The references must outlive it.
  LoopThread(const ShardLoopOptions& options, std::unique_ptr<Sender> sender, Store& store,
             const Clock& clock, Random& random, std::vector<Endpoint> endpoints,
             std::function<void(std::span<const WebhookId>)> on_woken,
             std::function<void(const std::string&)> on_broken);
  ~LoopThread();  // stops
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // Until then it takes mail and does nothing. Call once.
  void start();

  void note(std::span<const WebhookId> webhooks);
  void hand_over(std::vector<FreshClaim> claims);

  using Command = std::function<void(ShardLoop&, Moment)>;
  enum class Posted { yes, stopped };
  // Runs on the loop's thread, before anything else is started.
  Posted post(Command command);

  std::optional<EndpointState> state(const WebhookId& webhook) const {
    return board_.find(webhook);
  }
  LoopStatus status() const;

  void stop_starting();
  // Until nothing is under way and all is recorded; false: not by then. Call stop_starting()
  // before.
  bool wait_until_idle(Monotonic deadline);
  // Ends both threads. Idempotent.
  void stop();

 private:
  struct Mail {
    std::unordered_set<WebhookId> notes;
    std::vector<FreshClaim> fresh;
    std::vector<Command> commands;
    std::vector<TurnAnswer> answers;
  };

  Moment now() const { return {clock_.now(), clock_.monotonic(), clock_.slept()}; }
  void run();
  void handle(Mail mail);
  void publish_status();
  void take_answer(TurnAnswer answer);
  // mutex_ must be held. Says whether the loop has to be woken.
  bool mail_is_first();

  const Clock& clock_;
  const std::function<void(std::span<const WebhookId>)> on_woken_;
  StateBoard board_;
  const std::unique_ptr<Sender> sender_;

  std::mutex mutex_;
  std::condition_variable became_idle_;
  Mail mail_;              // guarded by mutex_
  bool has_mail_ = false;  // guarded by mutex_
  bool closed_ = false;    // guarded by mutex_: no more mail is taken
  bool draining_ = false;  // guarded by mutex_
  bool idle_ = false;      // guarded by mutex_

  std::atomic<bool> stopping_{false};
  std::atomic<Monotonic::rep> last_turn_{0};
  std::atomic<int> endpoints_{0};
  std::atomic<int> in_flight_{0};
  std::atomic<int> unrecorded_{0};
  std::atomic<int> open_circuits_{0};

  Recorder recorder_;
  ShardLoop loop_;  // the thread's alone once that runs
  std::thread thread_;
};

}  // namespace webhookd
