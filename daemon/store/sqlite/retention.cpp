#include "store/sqlite/retention.h"

#include <algorithm>

#include "store/sqlite/delivery_rows.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

// About two milliseconds of the writer's time, and about as much of a reader's.
constexpr int kRemovedAtOnce = 64;
constexpr int kExpiredAtOnce = 200;
constexpr int kLookedAtAtOnce = 2000;

constexpr std::size_t kBytesAtOnce = 256 * 1024;

constexpr const char* kExpired =
    "it waited too long while its webhook was paused (retention_paused)";

// ?2 and ?3: what succeeded or was cancelled, and what failed, up to then may go.
#define MAY_GO                                                                  \
  "((status IN (2, 4) AND completed_at <= ?2) OR (status = 3 AND completed_at " \
  "<= ?3))"

// Rows are {id, made at, may go}. None of those made after `until` may go, nor those that come
// after them, unless a clock that was wrong has made one: such a row is passed over.
Stretch walk(Query rows, std::int64_t after, Timestamp until, Timestamp now) {
  Stretch stretch;
  stretch.reached = after;
  for (int looked_at = 0; looked_at < kLookedAtAtOnce; ++looked_at) {
    if (!rows.step() || (rows.time(1) > until && rows.time(1) <= now)) {
      stretch.at_end = true;
      return stretch;
    }
    stretch.reached = rows.integer(0);
    if (rows.time(1) <= until && rows.flag(2)) stretch.found.push_back(stretch.reached);
    if (stretch.found.size() == kRemovedAtOnce) return stretch;
  }
  return stretch;
}

struct Ended {
  std::int64_t webhook_seq = 0;
  bool test = false;
  DeliveryStatus status = DeliveryStatus::succeeded;
};

std::optional<Ended> find_to_go(Connection& db, std::int64_t id, const Retention& kept,
                                Timestamp now) {
  Query row = db.query("SELECT webhook_seq, test, status FROM deliveries WHERE id = ?1 AND " MAY_GO,
                       id, now - kept.succeeded, now - kept.failed);
  if (!row.step()) return std::nullopt;
  return Ended{row.integer(0), row.flag(1), static_cast<DeliveryStatus>(row.small(2))};
}

milliseconds shortest(const Retention& kept) {
  return std::min({kept.succeeded, kept.failed, kept.events, kept.paused, kept.audit});
}

}  // namespace

Stretch find_ended(Connection& db, std::int64_t after, const Retention& kept, Timestamp now) {
  const Timestamp until = now - std::min(kept.succeeded, kept.failed);
  return walk(db.query("SELECT id, created_at, " MAY_GO
                       " FROM deliveries NOT INDEXED WHERE id > ?1 ORDER BY id LIMIT ?4",
                       after, now - kept.succeeded, now - kept.failed, kLookedAtAtOnce),
              after, until, now);
}

Stretch find_unused_events(Connection& db, std::int64_t after, const Retention& kept,
                           Timestamp now) {
  return walk(db.query("SELECT e.seq, e.accepted_at, NOT EXISTS (SELECT 1 FROM deliveries d"
                       " INDEXED BY deliveries_event WHERE d.event_seq = e.seq)"
                       " FROM events e NOT INDEXED WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2",
                       after, kLookedAtAtOnce),
              after, now - kept.events, now);
}

Stretch find_old_audit(Connection& db, std::int64_t after, const Retention& kept, Timestamp now) {
  return walk(db.query("SELECT id, at, 1 FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2", after,
                       kLookedAtAtOnce),
              after, now - kept.audit, now);
}

void remove_ended(Transaction& transaction, const std::vector<std::int64_t>& ids,
                  const Retention& kept, Timestamp now) {
  for (const std::int64_t id : ids) {
    const auto ended = find_to_go(transaction.db, id, kept, now);
    if (!ended) continue;
    remove_delivery(transaction.db, id, now - kept.events);
    // The counters of a deleted webhook go with it.
    if (transaction.subscriptions.find(ended->webhook_seq) == nullptr) continue;
    transaction.tally.count(ended->webhook_seq, ended->test, ended->status, -1);
  }
}

void remove_unused_events(Connection& db, const std::vector<std::int64_t>& seqs,
                          const Retention& kept, Timestamp now) {
  for (const std::int64_t seq : seqs) {
    db.run(
        "DELETE FROM events WHERE seq = ?1 AND accepted_at <= ?2 AND NOT EXISTS"
        " (SELECT 1 FROM deliveries d INDEXED BY deliveries_event WHERE d.event_seq = ?1)",
        seq, now - kept.events);
  }
}

void remove_old_audit(Connection& db, const std::vector<std::int64_t>& ids, const Retention& kept,
                      Timestamp now) {
  for (const std::int64_t id : ids) {
    db.run("DELETE FROM audit WHERE id = ?1 AND at <= ?2", id, now - kept.audit);
  }
}

void remove_delivery(Connection& db, std::int64_t id, Timestamp events_until) {
  db.run("DELETE FROM attempts WHERE delivery_id = ?1", id);
  std::int64_t event_seq = 0;
  {
    Query row = db.query("SELECT event_seq FROM deliveries WHERE id = ?1", id);
    if (row.step()) event_seq = row.integer(0);
  }
  db.run("DELETE FROM deliveries WHERE id = ?1", id);
  db.run(
      "DELETE FROM events WHERE seq = ?1 AND (test = 1 OR accepted_at <= ?2) AND NOT EXISTS"
      " (SELECT 1 FROM deliveries d INDEXED BY deliveries_event WHERE d.event_seq = ?1)",
      event_seq, events_until);
}

std::optional<std::int64_t> find_overdue(Connection& db, const Retention& kept, Timestamp now) {
  Query row = db.query(
      "SELECT w.seq FROM webhooks w INDEXED BY webhooks_paused"
      " WHERE w.paused_at <= ?1 AND w.paused_at IS NOT NULL AND w.deleted_at IS NULL AND EXISTS"
      " (SELECT 1 FROM deliveries d INDEXED BY deliveries_due WHERE d.webhook_seq = w.seq"
      "  AND d.generation = w.generation AND d.status = 0 AND d.next_attempt_at <= ?1) LIMIT 1",
      now - kept.paused);
  if (!row.step()) return std::nullopt;
  return row.integer(0);
}

void expire_overdue(Transaction& transaction, std::int64_t seq, const Retention& kept,
                    Timestamp now, std::vector<WebhookId>& changed) {
  Connection& db = transaction.db;
  std::vector<std::pair<std::int64_t, bool>> overdue;
  {
    Query rows = db.query(
        "SELECT d.id, d.test FROM webhooks w CROSS JOIN deliveries d INDEXED BY deliveries_due"
        " ON d.webhook_seq = w.seq AND d.generation = w.generation AND d.status = 0"
        " AND d.next_attempt_at <= ?2"
        " WHERE w.seq = ?1 AND w.paused_at <= ?2 AND w.deleted_at IS NULL LIMIT ?3",
        seq, now - kept.paused, kExpiredAtOnce);
    while (rows.step()) overdue.emplace_back(rows.integer(0), rows.flag(1));
  }
  for (const auto& [id, test] : overdue) {
    mark_cancelled(db, DeliveryId{id}, now);
    db.run("UPDATE deliveries SET error_kind = 'expired', error_message = ?2 WHERE id = ?1", id,
           kExpired);
    transaction.tally.move(seq, test, DeliveryStatus::pending, DeliveryStatus::cancelled);
  }
  if (!overdue.empty()) changed.push_back(transaction.subscriptions.find(seq)->id);
}

// What was missed by a sweep, like a delivery that ended late or again, goes within an hour; where
// periods are short, soon enough for them.
Sweep::Sweep(const Retention& kept)
    : kept_(kept),
      rest_(std::clamp<milliseconds>(shortest(kept) / 100, std::chrono::seconds{1},
                                     std::chrono::minutes{1})),
      from_zero_(std::clamp<milliseconds>(shortest(kept) / 20, std::chrono::seconds{1},
                                          std::chrono::hours{1})) {}

MoreWork Sweep::go_on(Readers& readers, Writer& writer, Timestamp now,
                      std::vector<WebhookId>& changed) {
  const std::lock_guard lock(mutex_);
  if (step_ == Step::rest) {
    if (!is_due(now)) return MoreWork::no;
    begin(now);
  }
  if (take_step(readers, writer, now, changed)) {
    step_ = step_ == Step::audit ? Step::rest : Step{static_cast<int>(step_) + 1};
  }
  return step_ == Step::rest ? MoreWork::no : MoreWork::yes;
}

bool Sweep::is_due(Timestamp now) const {
  // A clock that was set back must not put it off for long.
  return !began_at_ || now < *began_at_ || now - *began_at_ >= rest_;
}

void Sweep::begin(Timestamp now) {
  step_ = Step::overdue;
  began_at_ = now;
  if (began_from_zero_at_ && now >= *began_from_zero_at_ &&
      now - *began_from_zero_at_ < from_zero_) {
    return;
  }
  began_from_zero_at_ = now;
  deliveries_reached_ = 0;
}

bool Sweep::take_step(Readers& readers, Writer& writer, Timestamp now,
                      std::vector<WebhookId>& changed) {
  const auto events_of = [&](auto work) {
    return [&, work](Transaction& t, const auto& ids) { work(t.db, ids, kept_, now); };
  };
  switch (step_) {
    case Step::rest:
      break;
    case Step::overdue:
      return expire(readers, writer, now, changed);
    case Step::deliveries:
      return remove(
          readers, writer, deliveries_reached_,
          [&](Connection& db, std::int64_t after) { return find_ended(db, after, kept_, now); },
          [&](Transaction& t, const auto& ids) { remove_ended(t, ids, kept_, now); });
    case Step::events:
      return remove(
          readers, writer, events_reached_,
          [&](Connection& db, std::int64_t after) {
            return find_unused_events(db, after, kept_, now);
          },
          events_of(remove_unused_events));
    case Step::audit:
      return remove(
          readers, writer, audit_reached_,
          [&](Connection& db, std::int64_t after) { return find_old_audit(db, after, kept_, now); },
          events_of(remove_old_audit));
  }
  return true;
}

bool Sweep::expire(Readers& readers, Writer& writer, Timestamp now,
                   std::vector<WebhookId>& changed) {
  const auto seq =
      readers.read(ReadKind::list, [&](Connection& db) { return find_overdue(db, kept_, now); });
  if (!seq) return true;
  const auto touched = writer.write(kBytesAtOnce, [&](Transaction& t) {
    std::vector<WebhookId> ids;
    expire_overdue(t, *seq, kept_, now, ids);
    return ids;
  });
  changed.insert(changed.end(), touched.begin(), touched.end());
  return false;
}

template <typename Find, typename Remove>
bool Sweep::remove(Readers& readers, Writer& writer, std::int64_t& reached, Find find,
                   Remove remove) {
  const Stretch stretch =
      readers.read(ReadKind::list, [&](Connection& db) { return find(db, reached); });
  if (!stretch.found.empty()) {
    writer.write(kBytesAtOnce, [&](Transaction& t) { remove(t, stretch.found); });
  }
  reached = stretch.reached;
  return stretch.at_end;
}

}  // namespace webhookd
