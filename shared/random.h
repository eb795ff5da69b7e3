#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace webhookd {

// Where chance comes from. Tests replace it. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  // Fills `out` with bytes fit for keys. Throws std::runtime_error when the system has none.
  virtual void fill(std::span<std::uint8_t> out) = 0;

  // `count` bytes, as a string.
  std::string bytes(std::size_t count);
  // Uniform in [0, bound). `bound` > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit();
};

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace webhookd
