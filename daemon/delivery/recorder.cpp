#include "delivery/recorder.h"

#include <algorithm>
#include <utility>

#include "observe/log.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstRetry{100};
constexpr milliseconds kLongestRetry{2000};

// Results at once while space is scarce.
constexpr std::size_t kFewest = 1;
constexpr std::size_t kMany = 4096;

}  // namespace

Recorder::Recorder(Store& store, const Clock& clock, std::function<void(TurnAnswer)> on_answer,
                   std::function<void(const std::string&)> on_broken)
    : store_(store),
      clock_(clock),
      on_answer_(std::move(on_answer)),
      on_broken_(std::move(on_broken)),
      thread_([this] { run(); }) {}

Recorder::~Recorder() { stop(); }

void Recorder::submit(QueueTurn turn) {
  {
    const std::lock_guard lock(mutex_);
    merge(pending_.turn, std::move(turn));
    ++pending_.turns;
  }
  changed_.notify_one();
}

void Recorder::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Recorder::run() {
  while (auto batch = next_batch()) {
    try {
      if (bring(*batch) == Progress::ended) return;
    } catch (const std::exception& error) {
      // A fault of ours: ending is better than results that are never recorded.
      log::error("msg=\"results cannot be recorded\" reason=\"{}\"", error.what());
      return on_broken_(error.what());
    }
  }
}

std::optional<Recorder::Batch> Recorder::next_batch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopped_ || pending_.turns > 0; });
  if (stopped_) return std::nullopt;
  return std::exchange(pending_, {});
}

Recorder::Progress Recorder::bring(Batch& batch) {
  milliseconds delay = kFirstRetry;
  while (batch.turns > 0) {
    try {
      bring_piece(batch);
      delay = kFirstRetry;
      continue;
    } catch (const StoreError& error) {
      if (error.kind() == StoreError::Kind::broken) {
        log::error("msg=\"the store is broken\" reason=\"{}\"", error.what());
        on_broken_(error.what());
        return Progress::ended;
      }
      log::warn("msg=\"the store cannot take results\" reason=\"{}\" again_ms={}", error.what(),
                delay.count());
      if (error.kind() == StoreError::Kind::full) {
        most_results_ = std::max(std::min(most_results_, batch.turn.results.size()) / 2, kFewest);
      }
    }
    if (pause(delay, batch) == Progress::ended) return Progress::ended;
    delay = std::min(delay * 2, kLongestRetry);
  }
  return Progress::goes_on;
}

void Recorder::bring_piece(Batch& batch) {
  std::vector<AttemptResult>& results = batch.turn.results;
  const auto count = std::min(most_results_, results.size());
  TurnAnswer answer;
  answer.results = static_cast<int>(count);
  if (count == results.size()) {
    answer.given = store_.queue_turn(batch.turn, clock_.now());
    answer.asked = std::move(batch.turn.claims);
    answer.shifts = std::move(batch.turn.shifts);
    answer.turns = batch.turns;
    batch = {};
  } else {
    QueueTurn piece;
    piece.results.assign(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(count));
    store_.queue_turn(piece, clock_.now());
    results.erase(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (most_results_ != kNoBound) {
    most_results_ = most_results_ >= kMany ? kNoBound : most_results_ * 2;
  }
  on_answer_(std::move(answer));
}

// What was submitted meanwhile goes along with the next try.
Recorder::Progress Recorder::pause(milliseconds delay, Batch& batch) {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, delay, [this] { return stopped_; })) return Progress::ended;
  Batch later = std::exchange(pending_, {});
  merge(batch.turn, std::move(later.turn));
  batch.turns += later.turns;
  return Progress::goes_on;
}

}  // namespace webhookd
