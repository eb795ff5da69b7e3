#include "store/sqlite/clock_shift.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

namespace webhookd {
namespace {

// A few milliseconds of the writer's time in a turn, whatever the number of its shifts.
constexpr int kRowsAtOnce = 1000;

// Later rows first when times grow, and the other way round: a row that was moved is then never
// among those that are still to be moved.
constexpr const char* kLatestFirst =
    "SELECT id, next_attempt_at, attempt_count = 0 OR manual = 1 FROM deliveries"
    " INDEXED BY deliveries_due WHERE webhook_seq = ?1 AND generation = ?2 AND status = 0"
    " AND next_attempt_at > ?3 AND (next_attempt_at, id) < (?4, ?5)"
    " ORDER BY next_attempt_at DESC, id DESC LIMIT ?6";
constexpr const char* kEarliestFirst =
    "SELECT id, next_attempt_at, attempt_count = 0 OR manual = 1 FROM deliveries"
    " INDEXED BY deliveries_due WHERE webhook_seq = ?1 AND generation = ?2 AND status = 0"
    " AND next_attempt_at > ?3 AND (next_attempt_at, id) > (?4, ?5)"
    " ORDER BY next_attempt_at, id LIMIT ?6";

struct Waiting {
  DuePlace place;
  bool asked_at_once = false;  // never tried, or by hand: due from the moment that it was asked for
};

std::vector<Waiting> find_waiting(Connection& db, const Subscriber& subscriber,
                                  const ClockShift& shift, int most) {
  using Limits = std::numeric_limits<std::int64_t>;
  const bool forward = shift.by.count() > 0;
  const DuePlace first{forward ? from_unix_millis(Limits::max()) : shift.after,
                       DeliveryId{forward ? Limits::max() : 0}};
  const DuePlace from = shift.reached.value_or(first);
  std::vector<Waiting> found;
  Query rows = db.query(forward ? kLatestFirst : kEarliestFirst, subscriber.seq,
                        subscriber.generation, shift.after, from.due, from.id.value, most);
  while (rows.step()) {
    found.push_back({{rows.time(1), DeliveryId{rows.integer(0)}}, rows.flag(2)});
  }
  return found;
}

// Absent: it keeps the time that it has.
std::optional<Timestamp> moved_to(const Waiting& waiting, const ClockShift& shift) {
  if (shift.what == Shifted::stamped_ahead) {
    return waiting.asked_at_once ? std::optional(shift.after) : std::nullopt;
  }
  // One that is due at once may have been stored after the clock was set: it must not be put off.
  if (waiting.asked_at_once && shift.by.count() > 0) return std::nullopt;
  return waiting.place.due + shift.by;
}

// In the transaction of the rows: whoever starts amid a shift goes on exactly there. A shift that
// needs one piece writes nothing of it.
void keep_progress(Connection& db, std::int64_t seq, const ClockShift& shift,
                   const ClockShiftPiece& piece) {
  if (shift.what != Shifted::all_that_wait) return;
  if (piece.done) {
    if (shift.reached) db.run("DELETE FROM clock_shifts WHERE webhook_seq = ?1", seq);
    return;
  }
  if (!piece.reached) return;
  db.run(
      "INSERT OR REPLACE INTO clock_shifts(webhook_seq, by_ms, after, reached_due, reached_id)"
      " VALUES(?1, ?2, ?3, ?4, ?5)",
      seq, shift.by.count(), shift.after, piece.reached->due, piece.reached->id.value);
}

// How many rows it looked at.
int shift_some(Transaction& transaction, const ClockShift& shift, int most,
               ClockShiftPiece& piece) {
  const Subscriber* subscriber = transaction.subscriptions.find(shift.webhook);
  if (subscriber == nullptr) {
    piece.done = true;
    return 0;
  }
  const auto found = find_waiting(transaction.db, *subscriber, shift, most);
  const std::unordered_set<DeliveryId> except(shift.except.begin(), shift.except.end());
  for (const Waiting& waiting : found) {
    const auto due = moved_to(waiting, shift);
    if (!due || except.contains(waiting.place.id)) continue;
    transaction.db.run("UPDATE deliveries SET next_attempt_at = ?2 WHERE id = ?1",
                       waiting.place.id.value, *due);
  }
  if (!found.empty()) piece.reached = found.back().place;
  piece.done = static_cast<int>(found.size()) < most;
  keep_progress(transaction.db, subscriber->seq, shift, piece);
  return static_cast<int>(found.size());
}

}  // namespace

std::vector<ClockShiftPiece> shift_clocks(Transaction& transaction,
                                          const std::vector<ClockShift>& shifts) {
  std::vector<ClockShiftPiece> pieces;
  int left = kRowsAtOnce;
  for (const ClockShift& shift : shifts) {
    ClockShiftPiece& piece = pieces.emplace_back(ClockShiftPiece{false, shift.reached});
    if (left > 0) left -= shift_some(transaction, shift, left, piece);
  }
  return pieces;
}

std::optional<ClockShift> unfinished_shift(Connection& db, std::int64_t seq,
                                           const WebhookId& webhook) {
  Query row = db.query(
      "SELECT by_ms, after, reached_due, reached_id FROM clock_shifts WHERE webhook_seq = ?1", seq);
  if (!row.step()) return std::nullopt;
  return ClockShift{webhook,
                    std::chrono::milliseconds{row.integer(0)},
                    row.time(1),
                    {},
                    DuePlace{row.time(2), DeliveryId{row.integer(3)}}};
}

}  // namespace webhookd
