#include "bench/arrivals.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <thread>

#include "bench/socket.h"

namespace webhookd::bench {
namespace {

constexpr std::string_view kPrefix = "evt_bench_";
constexpr std::size_t kNowhere = ~std::size_t{0};

}  // namespace

std::string event_id_of(std::size_t index) { return fmt::format("{}{:012}", kPrefix, index); }

std::size_t event_index(std::string_view id) {
  if (!id.starts_with(kPrefix)) return kNowhere;
  id.remove_prefix(kPrefix.size());
  std::size_t index = kNowhere;
  const auto [end, fault] = std::from_chars(id.data(), id.data() + id.size(), index);
  return fault == std::errc{} && end == id.data() + id.size() ? index : kNowhere;
}

void Arrivals::record(const HttpMessage& request) {
  const Monotonic now = std::chrono::steady_clock::now();
  const std::size_t index = event_index(request.header("X-ScaiKey-Event-ID"));
  if (index >= times_.size()) {
    ++strangers_;
  } else if (times_[index] != Monotonic{}) {
    ++duplicates_;
  } else {
    times_[index] = now;
    distinct_.fetch_add(1, std::memory_order_release);
  }
}

void Arrivals::wait_for(std::size_t count, Monotonic deadline) const {
  for (;;) {
    if (strangers() > 0) throw Failed("the receiver got an event that was never sent");
    if (duplicates() > 0) throw Failed("the receiver got an event twice");
    if (distinct() >= count) return;
    if (std::chrono::steady_clock::now() > deadline) {
      throw Failed(
          fmt::format("only {} of {} events reached the receiver in time", distinct(), count));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

}  // namespace webhookd::bench
