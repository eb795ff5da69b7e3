#include "shared/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <stdexcept>

namespace webhookd {

namespace {

std::uint64_t draw(Random& random) {
  std::uint8_t bytes[8];
  random.fill(bytes);
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8U | byte;
  return value;
}

void draw_bytes(std::span<std::uint8_t> out) {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) {
    throw std::runtime_error("the system gives no random bytes");
  }
}

// Bytes drawn ahead: a draw costs about the same for eight as for hundreds.
class Supply {
 public:
  // `out` has at most as many as bytes_.
  void take(std::span<std::uint8_t> out) {
    if (bytes_.size() - used_ < out.size()) {
      draw_bytes(bytes_);
      used_ = 0;
    }
    const auto taken = std::span(bytes_).subspan(used_, out.size());
    std::copy(taken.begin(), taken.end(), out.begin());
    used_ += out.size();
  }

 private:
  std::array<std::uint8_t, 512> bytes_{};
  std::size_t used_ = bytes_.size();
};

}  // namespace

std::string Random::bytes(std::size_t count) {
  std::string out(count, '\0');
  fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

std::uint64_t Random::below(std::uint64_t bound) {
  assert(bound > 0);
  // 2^64 mod bound: values under it would make the first results likelier than the others.
  const std::uint64_t surplus = (std::numeric_limits<std::uint64_t>::max() - bound + 1) % bound;
  std::uint64_t value = draw(*this);
  while (value < surplus) value = draw(*this);
  return value % bound;
}

double Random::unit() { return static_cast<double>(draw(*this) >> 11U) * 0x1.0p-53; }

void SystemRandom::fill(std::span<std::uint8_t> out) {
  // Nothing so small is a key.
  if (out.size() <= 16) {
    thread_local Supply supply;
    return supply.take(out);
  }
  // RAND_bytes takes an int.
  constexpr std::size_t kChunk = 1U << 20U;
  while (!out.empty()) {
    const auto part = out.first(out.size() < kChunk ? out.size() : kChunk);
    draw_bytes(part);
    out = out.subspan(part.size());
  }
}

}  // namespace webhookd
