#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>

#include "shared/time.h"

namespace webhookd {

// The last answer to "is the daemon ready?", good for a second: anyone may ask, and finding out
// costs a write to the disk. Thread-safe.
class Readiness {
 public:
  // Runs `look` unless it has just been run, and throws what it threw.
  void check(const std::function<void()>& look, Monotonic now);

  // The daemon ends: whoever sends requests here should send them elsewhere.
  void begin_stop() { stopping_ = true; }
  bool is_stopping() const { return stopping_; }

 private:
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // held while looking: who asks meanwhile gets the same answer
  std::optional<Monotonic> looked_;
  std::exception_ptr trouble_;
};

}  // namespace webhookd
