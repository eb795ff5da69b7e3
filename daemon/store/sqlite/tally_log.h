#pragma once

// Between a commit and the tables of counters, rollups and event_spans: a commit touches as many
// rows of those as it has webhooks, so it leaves one row with all its changes instead, and the sum
// of many commits is folded into the tables at once. The numbers are the tables' and the log's.

#include <cstdint>
#include <unordered_set>

#include "shared/time.h"
#include "store/sqlite/rollup.h"

namespace webhookd {

// What is not folded yet, as the connection's transaction sees it.
Tally load_unfolded(Connection& db);

// Afterwards nothing is left unfolded. Inside a transaction.
void fold_tallies(Connection& db);

// The writer's side. What it remembers only decides when it folds.
class TallyLog {
 public:
  // At the end of a group's transaction: adds a row, or folds it together with all others.
  void write(Connection& db, const Tally& tally, Monotonic now);
  // The transaction of that write() is kept.
  void committed(const Tally& tally);
  // The transaction is lost, whether it has come to write() or not. If it has folded, that is put
  // off a moment.
  void lost();
  // Whether the transaction that was lost last is a smaller one when it is made again.
  bool has_put_off() const { return has_put_off_; }

 private:
  enum class Step { nothing, added, folded };

  bool is_due(const Tally& tally, Monotonic now) const;

  Step step_ = Step::nothing;
  Monotonic written_at_{};
  std::size_t written_bytes_ = 0;
  std::int64_t rows_ = 0;
  std::size_t bytes_ = 0;                      // of those rows
  std::unordered_set<std::int64_t> webhooks_;  // whose numbers those rows change
  Monotonic oldest_{};                         // of those rows, if there is one
  Monotonic put_off_until_{};
  bool has_put_off_ = false;
};

}  // namespace webhookd
