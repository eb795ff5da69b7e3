#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "store/seal.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/rollup.h"
#include "store/sqlite/standing_claims.h"
#include "store/sqlite/subscriptions.h"
#include "store/sqlite/tally_log.h"

namespace webhookd {

// What a request works with, on the writer's thread, inside its transaction.
struct Transaction {
  Connection& db;
  Subscriptions& subscriptions;
  StandingClaims& standing;
  Tally& tally;              // of this request; logged when the group commits
  const Tally& group_tally;  // of the requests before it in the same group
  const Sealer& sealer;
};

// The one thread that writes and checkpoints. Requests that wait are made in one transaction and
// share one fsync; a request that throws undoes and fails only itself: then the transaction is made
// again, each request in a savepoint of its own. Without need it has none, since SQLite copies
// every page that is changed for the first time in a savepoint. Once a write or fsync has failed
// for good every later request is refused. Thread-safe.
class Writer {
 public:
  // `on_broken` is called once, on its thread, when a write or fsync has failed for good.
  Writer(std::unique_ptr<Connection> db, const Sealer& sealer, int default_attempts,
         std::function<void(const std::string&)> on_broken);
  // Makes what is waiting, then ends the thread.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Whether lists and searches are to wait before they start: the log has grown long because there
  // was always one that kept it from starting over. Ends by itself.
  bool holds_lists_back() const {
    return std::chrono::steady_clock::now() < lists_held_until_.load();
  }

  // As Store::hand_fresh_claims_to().
  void hand_fresh_claims_to(Store::FreshClaims taker);

  // Call it every second: when the log's file has grown large and little is written any more, the
  // file shrinks.
  void tidy_log();

  using Work = std::function<void(Transaction&)>;
  // Called once, on the writer's thread: quick, and never throws. With what the work threw, or
  // null.
  using Done = std::function<void(std::exception_ptr)>;

  // Runs `work` and calls `done` once it is durable or has failed; waits for nothing. As write().
  void submit(std::size_t bytes, Work work, Done done);

  // Runs `work(Transaction&)` and returns what it returned once that is durable; throws what it
  // threw. `work` may run more than once: the whole group is undone when one of it throws.
  // `bytes`: about how much it writes.
  template <typename Change>
  auto write(std::size_t bytes, Change work) -> std::invoke_result_t<Change&, Transaction&> {
    using Result = std::invoke_result_t<Change&, Transaction&>;
    if constexpr (std::is_void_v<Result>) {
      wait_for(bytes, work);
    } else {
      std::optional<Result> result;
      wait_for(bytes, [&](Transaction& transaction) { result.emplace(work(transaction)); });
      return std::move(*result);
    }
  }

 private:
  struct Request {
    Work work;
    Done done;
    std::size_t bytes = 0;
    std::exception_ptr error;
  };
  using Group = std::vector<std::unique_ptr<Request>>;
  enum class Fate { kept, lost };

  void wait_for(std::size_t bytes, Work work);
  void loop();
  bool take(Group& group);
  using Requests = std::span<const std::unique_ptr<Request>>;
  void make(Requests group);
  enum class Savepoints { none, each };
  Fate try_group(Requests group, Savepoints savepoints, std::exception_ptr& failure);
  void make_request(Request& request, Savepoints savepoints);
  Fate undo_request();
  void undo_group();
  void note(const std::exception_ptr& error);
  void checkpoint_when_large();
  void restart_log();
  void shrink_idle_log();
  bool make_room();
  enum class Checkpoint { done, hindered, failed };
  Checkpoint checkpoint(int mode);
  void hand_over();
  static void settle(Requests group);

  // The thread's own.
  std::unique_ptr<Connection> db_;
  const Sealer& sealer_;
  const std::function<void(const std::string&)> on_broken_;
  Subscriptions subscriptions_;
  StandingClaims standing_;
  Tally request_tally_;
  Tally group_tally_;
  TallyLog tally_log_;
  std::optional<std::string> broken_;
  int considered_pages_ = 0;  // of the log, when a checkpoint was last thought of
  int checkpointed_pages_ = 0;
  int calm_pages_ = 0;  // of the log, when it became calm
  Monotonic calm_since_{};
  std::optional<Monotonic> no_room_at_;

  std::mutex taker_mutex_;
  Store::FreshClaims taker_;  // guarded by taker_mutex_, which is held while it is called

  std::atomic<Monotonic> lists_held_until_{Monotonic::min()};

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable work_came_;
  std::deque<std::unique_ptr<Request>> waiting_;
  bool is_asleep_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace webhookd
