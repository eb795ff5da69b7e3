#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/sqlite/rollup.h"

namespace webhookd {

// The numbers that are kept up, as one transaction sees them: what the tables of counters and
// rollups hold and what commits have left in the log since. For that transaction alone.
class KeptNumbers {
 public:
  // Throws StoreError, as all members do.
  explicit KeptNumbers(Connection& db);

  // Deliveries of a webhook, tests among them; of every status, or of one.
  std::int64_t deliveries(std::int64_t webhook_seq,
                          const std::optional<DeliveryStatus>& status) const;
  // The same without tests.
  std::int64_t without_tests(std::int64_t webhook_seq, DeliveryStatus status) const;
  // Pending and in flight, tests left out; of a webhook, and of all that are not deleted.
  std::int64_t backlog(std::int64_t webhook_seq) const;
  std::int64_t backlog_of_all() const;

  struct Span {
    std::int64_t start = 0;  // in Unix milliseconds
    Rollup rollup;
  };
  // The spans of `resolution` seconds that start in [begin, end), those that are empty left out.
  std::vector<Span> rollups(std::int64_t webhook_seq, std::int64_t resolution, std::int64_t begin,
                            std::int64_t end) const;

 private:
  std::map<std::int64_t, Rollup> unfolded_rollups(std::int64_t webhook_seq, std::int64_t resolution,
                                                  std::int64_t begin, std::int64_t end) const;

  Connection& db_;
  const Tally unfolded_;
};

}  // namespace webhookd
