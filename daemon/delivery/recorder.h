#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "delivery/turn.h"
#include "shared/time.h"
#include "store/store.h"

namespace webhookd {

// A thread that takes a loop's turns to the store: whatever has been submitted since the last one
// becomes one transaction. A store that is full or unavailable is tried again until it takes the
// turn, a full one with ever fewer results at once: what little space there is serves some of them.
// A broken one is reported, and nothing is tried any more.
class Recorder final : public TurnSink {
 public:
  // `on_answer` and `on_broken` are called on its thread. The references must outlive it.
  Recorder(Store& store, const Clock& clock, std::function<void(TurnAnswer)> on_answer,
           std::function<void(const std::string&)> on_broken);
  ~Recorder() override;  // stops

  void submit(QueueTurn turn) override;

  // Ends the thread after the transaction under way; what waits is dropped. Idempotent.
  void stop();

 private:
  struct Batch {
    QueueTurn turn;
    int turns = 0;
  };

  void run();
  std::optional<Batch> next_batch();
  // False: the store is broken, or stop() was called.
  enum class Progress { goes_on, ended };
  Progress bring(Batch& batch);
  // Brings it or its first results; what is left stays in the batch.
  void bring_piece(Batch& batch);
  Progress pause(std::chrono::milliseconds delay, Batch& batch);

  Store& store_;
  const Clock& clock_;
  const std::function<void(TurnAnswer)> on_answer_;
  const std::function<void(const std::string&)> on_broken_;

  std::size_t most_results_ = kNoBound;  // in one turn; the thread's own
  static constexpr std::size_t kNoBound = SIZE_MAX;

  std::mutex mutex_;
  std::condition_variable changed_;
  Batch pending_;         // guarded by mutex_
  bool stopped_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace webhookd
