#include "store/sqlite/finished_attempts.h"

#include <utility>

#include "shared/model_json.h"

namespace webhookd {
namespace {

// How far the ends of attempts may be out of the order in which they were recorded: while the store
// is busy, results wait in their loop.
constexpr std::chrono::seconds kDisorder{60};

// Of the delivery right after this attempt, whatever it has become since: whoever reads the same
// attempt again is told the same.
DeliveryStatus status_after(const FinishedAttempt& attempt, bool cancelled) {
  if (!attempt.error) return DeliveryStatus::succeeded;
  if (attempt.next_attempt_at) return DeliveryStatus::pending;
  return cancelled ? DeliveryStatus::cancelled : DeliveryStatus::failed;
}

FinishedAttempt read_finished(const Query& row) {
  FinishedAttempt attempt;
  attempt.id = AttemptId{row.integer(0)};
  attempt.delivery = DeliveryId{row.integer(1)};
  attempt.webhook = WebhookId{row.text(2)};
  attempt.webhook_binding = {row.maybe_text(3), row.maybe_text(4)};
  attempt.event_id = row.text(5);
  attempt.event_type = row.text(6);
  attempt.event_binding = {row.maybe_text(7), row.maybe_text(8)};
  attempt.number = row.small(9);
  attempt.max_attempts = row.small(10);
  attempt.trigger = static_cast<Trigger>(row.small(11));
  attempt.started_at = row.time(12);
  attempt.duration = std::chrono::milliseconds{row.integer(13)};
  if (!row.is_null(14)) attempt.response_status = row.small(14);
  if (!row.is_null(15)) {
    attempt.error =
        DeliveryError{parse_error_kind(row.text(15)).value_or(ErrorKind::protocol), row.text(16)};
  }
  attempt.next_attempt_at = row.maybe_time(17);
  attempt.status = status_after(attempt, !row.is_null(18));
  return attempt;
}

}  // namespace

AttemptPage load_attempts_after(Connection& db, AttemptId after, int limit) {
  AttemptPage page;
  page.last = after;
  Query rows = db.query(
      "SELECT a.id, d.id, w.id, w.tenant, w.partner, e.event_id, e.type, e.tenant, e.partner,"
      " a.number, d.max_attempts, a.trigger, a.started_at, a.duration_ms, a.response_status,"
      " a.error_kind, a.error_message, a.next_attempt_at, a.cancelled, w.deleted_at"
      " FROM attempts a CROSS JOIN deliveries d ON d.id = a.delivery_id"
      " CROSS JOIN webhooks w ON w.seq = d.webhook_seq CROSS JOIN events e ON e.seq = d.event_seq"
      " WHERE a.id > ?1 ORDER BY a.id LIMIT ?2",
      after.value, limit);
  int count = 0;
  for (; rows.step(); ++count) {
    page.last = AttemptId{rows.integer(0)};
    if (rows.is_null(19)) page.items.push_back(read_finished(rows));
  }
  page.more = count == limit;
  return page;
}

AttemptId load_newest_attempt(Connection& db) {
  Query row = db.query("SELECT seq FROM sqlite_sequence WHERE name = 'attempts'");
  return AttemptId{row.step() ? row.integer(0) : 0};
}

AttemptId find_attempt_before(Connection& db, Timestamp since) {
  std::int64_t before = 0;
  std::int64_t after = load_newest_attempt(db).value + 1;
  while (before + 1 < after) {
    const std::int64_t middle = before + (after - before) / 2;
    Query row = db.query(
        "SELECT id, started_at + duration_ms FROM attempts WHERE id >= ?1 ORDER BY id LIMIT 1",
        middle);
    // Ids of what retention removed lie before whatever follows them.
    const bool ended_before = row.step() && row.integer(0) < after &&
                              from_unix_millis(row.integer(1)) < since - kDisorder;
    (ended_before ? before : after) = middle;
  }
  return AttemptId{before};
}

}  // namespace webhookd
