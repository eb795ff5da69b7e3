#pragma once

#include <chrono>
#include <mutex>

#include "shared/time.h"

namespace webhookd {

// A clock that stands still until it is told otherwise. Thread-safe.
class FakeClock final : public Clock {
 public:
  // 2026-11-23T09:00:00.000Z
  explicit FakeClock(Timestamp start = Timestamp{std::chrono::milliseconds{1'795'424'400'000}})
      : now_(start), monotonic_(std::chrono::hours{1000}) {}

  Timestamp now() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  std::chrono::milliseconds slept() const override {
    const std::lock_guard lock(mutex_);
    return slept_;
  }
  Monotonic monotonic() const override {
    const std::lock_guard lock(mutex_);
    return monotonic_;
  }

  // Lets time pass: both clocks.
  void advance(std::chrono::milliseconds by) {
    const std::lock_guard lock(mutex_);
    now_ += by;
    monotonic_ += by;
  }
  // Suspends the machine.
  void sleep(std::chrono::milliseconds by) {
    const std::lock_guard lock(mutex_);
    now_ += by;
    slept_ += by;
  }
  // As an administrator sets the wall clock; the monotonic one does not notice.
  void set_now(Timestamp now) {
    const std::lock_guard lock(mutex_);
    now_ = now;
  }
  void set_monotonic(Monotonic monotonic) {
    const std::lock_guard lock(mutex_);
    monotonic_ = monotonic;
  }

 private:
  mutable std::mutex mutex_;
  Timestamp now_;
  Monotonic monotonic_;
  std::chrono::milliseconds slept_{0};
};

}  // namespace webhookd
