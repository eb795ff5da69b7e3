#pragma once

#include <cstdint>
#include <mutex>
#include <span>

#include "shared/random.h"

namespace webhookd {

// The same bytes for the same seed, on every machine (xorshift64*). Thread-safe.
class FakeRandom final : public Random {
 public:
  explicit FakeRandom(std::uint64_t seed = 1) : state_(seed == 0 ? 1 : seed) {}

  void fill(std::span<std::uint8_t> out) override {
    const std::lock_guard lock(mutex_);
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(next() >> 56U);
  }

 private:
  std::uint64_t next() {
    state_ ^= state_ >> 12U;
    state_ ^= state_ << 25U;
    state_ ^= state_ >> 27U;
    return state_ * 0x2545F4914F6CDD1DULL;
  }

  std::mutex mutex_;
  std::uint64_t state_;
};

}  // namespace webhookd
