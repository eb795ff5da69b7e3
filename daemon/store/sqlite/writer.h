#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "store/seal.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/rollup.h"
#include "store/sqlite/subscriptions.h"

namespace webhookd {

// What a request works with, on the writer's thread, inside its transaction.
struct Transaction {
  Connection& db;
  Subscriptions& subscriptions;
  Tally& tally;              // of this request; written when the group commits
  const Tally& group_tally;  // of the requests before it in the same group
  const Sealer& sealer;
};

// The one thread that writes and checkpoints. Requests that wait are made in one transaction, each
// in a savepoint of its own, and share one fsync; a request that throws undoes and fails only
// itself. Once a write or fsync has failed for good every later request is refused. Thread-safe.
class Writer {
 public:
  Writer(std::unique_ptr<Connection> db, const Sealer& sealer, int default_attempts);
  // Makes what is waiting, then ends the thread.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Whether lists and searches are to wait before they start: the log has grown long because there
  // was always one that kept it from starting over. Ends by itself.
  bool holds_lists_back() const {
    return std::chrono::steady_clock::now() < lists_held_until_.load();
  }

  // Runs `work(Transaction&)` and returns what it returned once that is durable; throws what it
  // threw. `work` may run more than once: the whole group is undone when the disk is full.
  // `bytes`: about how much it writes.
  template <typename Work>
  auto write(std::size_t bytes, Work work) -> std::invoke_result_t<Work&, Transaction&> {
    using Result = std::invoke_result_t<Work&, Transaction&>;
    if constexpr (std::is_void_v<Result>) {
      submit(bytes, work);
    } else {
      std::optional<Result> result;
      submit(bytes, [&](Transaction& transaction) { result.emplace(work(transaction)); });
      return std::move(*result);
    }
  }

 private:
  struct Request {
    std::function<void(Transaction&)> work;
    std::size_t bytes = 0;
    std::promise<std::exception_ptr> done;  // a value, so that the caller alone frees it
    std::exception_ptr error;
  };
  using Group = std::vector<std::shared_ptr<Request>>;
  enum class Fate { kept, lost };

  void submit(std::size_t bytes, std::function<void(Transaction&)> work);
  void loop();
  bool take(Group& group);
  void make(const Group& group);
  Fate try_group(const Group& group, std::exception_ptr& failure);
  void make_request(Request& request);
  Fate undo_request();
  void undo_group();
  void note(const std::exception_ptr& error);
  void checkpoint_when_large();
  void restart_log();
  bool make_room();
  enum class Checkpoint { done, hindered, failed };
  Checkpoint checkpoint(int mode);
  static void settle(const Group& group);

  // The thread's own.
  std::unique_ptr<Connection> db_;
  const Sealer& sealer_;
  Subscriptions subscriptions_;
  Tally request_tally_;
  Tally group_tally_;
  std::optional<std::string> broken_;
  int considered_pages_ = 0;  // of the log, when a checkpoint was last thought of
  int checkpointed_pages_ = 0;
  std::optional<Monotonic> no_room_at_;

  std::atomic<Monotonic> lists_held_until_{Monotonic::min()};

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable work_came_;
  std::deque<std::shared_ptr<Request>> waiting_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace webhookd
