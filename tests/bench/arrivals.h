#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bench/http_message.h"
#include "shared/time.h"

namespace webhookd::bench {

// Event ids that carry an index, so that what arrives can be matched with what was sent. They sort
// in the order of the index, as generated ids do.
std::string event_id_of(std::size_t index);
// The index in such an id; a number beyond all when it is none.
std::size_t event_index(std::string_view id);

// When each of `expected` numbered events reached the receiver. record() is for the receiver's
// thread alone; the rest may be called from any one other thread.
class Arrivals {
 public:
  explicit Arrivals(std::size_t expected) : times_(expected) {}

  // Takes the event id from the request's headers.
  void record(const HttpMessage& request);

  std::size_t distinct() const { return distinct_.load(std::memory_order_acquire); }
  std::size_t duplicates() const { return duplicates_.load(); }
  std::size_t strangers() const { return strangers_.load(); }  // ids that were never sent

  // Waits until `count` distinct events are there. Throws Failed at the deadline, and at once when
  // one arrived twice or was never sent.
  void wait_for(std::size_t count, Monotonic deadline) const;

  // Of an event that is there. Only when wait_for has returned for all that were sent.
  Monotonic at(std::size_t index) const { return times_.at(index); }

 private:
  std::vector<Monotonic> times_;  // zero: not there yet
  std::atomic<std::size_t> distinct_{0};
  std::atomic<std::size_t> duplicates_{0};
  std::atomic<std::size_t> strangers_{0};
};

}  // namespace webhookd::bench
