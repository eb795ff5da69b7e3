#include "store/sqlite/replay.h"

#include <algorithm>
#include <string>

#include "shared/event_pattern.h"
#include "store/sqlite/audit.h"
#include "store/sqlite/delivery_rows.h"
#include "store/sqlite/many.h"
#include "store/sqlite/tally_log.h"
#include "store/sqlite/webhook_rows.h"

namespace webhookd {
namespace {

// Tens of milliseconds of a reader's time.
constexpr int kEventsWalked = 10'000;

// What decides which events a webhook gets.
struct Wants {
  std::int64_t seq = 0;
  Binding binding;
  std::vector<std::string> patterns;
  std::int64_t kept_from = 0;
};

std::optional<Wants> find_wants(Connection& db, const WebhookId& id) {
  Query row = db.query(
      "SELECT seq, tenant, partner, events, kept_from FROM webhooks WHERE id = ?1"
      " AND deleted_at IS NULL",
      id.value);
  if (!row.step()) return std::nullopt;
  return Wants{row.integer(0),
               {row.maybe_text(1), row.maybe_text(2)},
               strings_from_text(row.text(3)),
               row.integer(4)};
}

bool wants_event(const Wants& wants, const Binding& event, const std::string& type) {
  return may_have(wants.binding, event) &&
         std::ranges::any_of(wants.patterns, [&](const std::string& pattern) {
           return pattern_matches(pattern, type);
         });
}

// Waiting ones of a generation before `kept_from` are as good as cancelled: a disabling has left
// them to housekeeping.
bool is_missed(Connection& db, const Wants& wants, std::int64_t event_seq) {
  Query row = db.query(
      "SELECT 1 FROM deliveries INDEXED BY deliveries_event WHERE event_seq = ?1"
      " AND webhook_seq = ?2 AND status <> 4 AND NOT (status = 0 AND generation < ?3) LIMIT 1",
      event_seq, wants.seq, wants.kept_from);
  return !row.step();
}

// What the daemon tells of a webhook is never sent to that webhook itself.
bool is_about(Connection& db, const WebhookId& webhook, std::int64_t event_seq) {
  Query row = db.query("SELECT instr(body, ?2) FROM events WHERE seq = ?1", event_seq,
                       R"("resource":{"id":")" + webhook.value + R"(","type":"webhook"})");
  return row.step() && row.integer(0) > 0;
}

struct Replay {
  std::int64_t seq = 0;
  std::int64_t through = 0;
};

std::optional<Replay> find_replay(Connection& db, std::int64_t webhook_seq,
                                  const std::string& replay_id) {
  Query row =
      db.query("SELECT seq, through_seq FROM replays WHERE webhook_seq = ?1 AND replay_id = ?2",
               webhook_seq, replay_id);
  if (!row.step()) return std::nullopt;
  return Replay{row.integer(0), row.integer(1)};
}

bool is_served(Connection& db, std::int64_t webhook_seq, std::int64_t event_seq,
               const Replay& replay) {
  Query row = db.query(
      "SELECT 1 FROM deliveries INDEXED BY deliveries_event WHERE event_seq = ?1"
      " AND webhook_seq = ?2 AND replay_seq = ?3 LIMIT 1",
      event_seq, webhook_seq, replay.seq);
  return row.step();
}

std::int64_t last_event(Connection& db) {
  Query row = db.query("SELECT ifnull(max(seq), 0) FROM events");
  row.step();
  return row.integer(0);
}

// Where events of that time may be, in the order of their seq. A few hundred a day.
std::vector<EventSpan> spans_of(Connection& db, const ReplayBatch& batch, std::int64_t through) {
  const Timestamp after_start = batch.since - std::chrono::seconds{kFineSeconds};
  std::vector<EventSpan> spans;
  Query rows = db.query(
      "SELECT first_seq, last_seq FROM event_spans WHERE start > ?1 AND (?2 IS NULL OR start < ?2)"
      " AND last_seq > ?3 AND first_seq <= ?4",
      after_start, batch.until, batch.after, through);
  while (rows.step()) spans.push_back({rows.integer(0), rows.integer(1)});
  const Tally unfolded = load_unfolded(db);
  for (const auto& [start, span] : unfolded.spans()) {
    const Timestamp time = from_unix_millis(start);
    const bool in_time = time > after_start && (!batch.until || time < *batch.until);
    const bool in_line = span.last_seq > batch.after && span.first_seq <= through;
    if (in_time && in_line) spans.push_back(span);
  }
  std::ranges::sort(spans, {}, &EventSpan::first_seq);
  return spans;
}

// Goes through one batch's events.
class Walk {
 public:
  Walk(Connection& db, const ReplayBatch& batch, const Wants& wants, FoundEvents& found)
      : db_(db), batch_(batch), wants_(wants), found_(found) {}

  // False: it has come to its end, with more behind it.
  bool pass(const EventSpan& span) {
    const std::int64_t first = std::max(span.first_seq, found_.after + 1);
    const std::int64_t last = std::min(span.last_seq, found_.through);
    if (first > last) return true;
    Query rows = db_.query(
        "SELECT seq, type, tenant, partner, accepted_at, test FROM events"
        " WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3",
        first, last, left_);
    while (rows.step()) {
      const bool matches = does_match(rows);
      if (matches && found_.seqs.size() == static_cast<std::size_t>(batch_.limit)) return false;
      found_.after = rows.integer(0);
      if (matches) found_.seqs.push_back(found_.after);
      if (--left_ == 0) return false;
    }
    found_.after = last;
    return true;
  }

 private:
  bool does_match(const Query& row) const {
    const Timestamp accepted_at = row.time(4);
    if (row.flag(5) || accepted_at < batch_.since) return false;
    if (batch_.until && accepted_at >= *batch_.until) return false;
    const std::string type = row.text(1);
    if (batch_.event_type && type != *batch_.event_type) return false;
    const Binding binding{row.maybe_text(2), row.maybe_text(3)};
    if (type.starts_with("webhook.") && is_about(db_, batch_.webhook, row.integer(0))) return false;
    return is_visible(batch_.visible_to, binding) && wants_event(wants_, binding, type) &&
           (!batch_.missed_only || is_missed(db_, wants_, row.integer(0)));
  }

  Connection& db_;
  const ReplayBatch& batch_;
  const Wants& wants_;
  FoundEvents& found_;
  int left_ = kEventsWalked;
};

// Absent: there is none and none is to be.
std::optional<Replay> join_replay(Transaction& transaction, const ReplayBatch& batch,
                                  std::int64_t webhook_seq, std::int64_t through, Timestamp now) {
  if (!batch.replay_id) return std::nullopt;
  auto replay = find_replay(transaction.db, webhook_seq, *batch.replay_id);
  if (replay || batch.dry_run == DryRun::yes) return replay;
  transaction.db.run(
      "INSERT INTO replays(webhook_seq, replay_id, through_seq, started_at)"
      " VALUES(?1, ?2, ?3, ?4)",
      webhook_seq, *batch.replay_id, through, now);
  return Replay{transaction.db.last_insert_id(), through};
}

// Another call with the same id may have begun meanwhile, and a little earlier.
void end_with(const Replay& replay, FoundEvents& found) {
  found.through = std::min(found.through, replay.through);
  std::erase_if(found.seqs, [&](std::int64_t seq) { return seq > found.through; });
  found.more = found.more && found.after < found.through;
}

bool is_still_wanted(Connection& db, const Wants& wants, std::int64_t event_seq) {
  Query row = db.query("SELECT type, tenant, partner FROM events WHERE seq = ?1", event_seq);
  return row.step() && wants_event(wants, {row.maybe_text(1), row.maybe_text(2)}, row.text(0));
}

// Whether it made a delivery.
bool replay_one(Transaction& transaction, const ReplayBatch& batch, const Subscriber& subscriber,
                const std::optional<Replay>& replay, std::int64_t event_seq, Timestamp now) {
  Connection& db = transaction.db;
  const Wants wants{subscriber.seq, subscriber.binding, subscriber.patterns, subscriber.kept_from};
  if (!is_still_wanted(db, wants, event_seq)) return false;
  if (batch.missed_only && !is_missed(db, wants, event_seq)) return false;
  if (replay && is_served(db, subscriber.seq, event_seq, *replay)) return false;
  if (batch.dry_run == DryRun::yes) return true;
  NewDelivery delivery{subscriber.seq, event_seq, subscriber.generation, subscriber.max_attempts,
                       now};
  if (replay) delivery.replay_seq = replay->seq;
  insert_delivery(db, delivery);
  transaction.tally.count(subscriber.seq, false, DeliveryStatus::pending, 1);
  ++transaction.tally.rollup(subscriber.seq, now).created;
  return true;
}

std::optional<BatchFault> fault_of(const ReplayBatch& batch, const Subscriber* subscriber) {
  if (subscriber == nullptr || !is_visible(batch.visible_to, subscriber->binding)) {
    return BatchFault::webhook_not_found;
  }
  if (subscriber->status == WebhookStatus::disabled) return BatchFault::webhook_disabled;
  return std::nullopt;
}

}  // namespace

FoundEvents find_events_to_replay(Connection& db, const ReplayBatch& batch) {
  FoundEvents found;
  found.after = batch.after;
  const auto wants = find_wants(db, batch.webhook);
  if (!wants) return found;
  found.through = batch.through > 0 ? batch.through : last_event(db);
  if (batch.replay_id) {
    const auto replay = find_replay(db, wants->seq, *batch.replay_id);
    if (replay) found.through = std::min(found.through, replay->through);
  }
  Walk walk(db, batch, *wants, found);
  for (const EventSpan& span : spans_of(db, batch, found.through)) {
    if (walk.pass(span)) continue;
    found.more = true;
    break;
  }
  return found;
}

ReplayResult replay_batch(Transaction& transaction, const ReplayBatch& batch, FoundEvents found,
                          const BatchSum& so_far, const ChangeContext& context) {
  ReplayResult result;
  result.sum = so_far;
  result.after = batch.after;
  result.through = found.through;
  const Subscriber* subscriber = transaction.subscriptions.find(batch.webhook);
  result.fault = fault_of(batch, subscriber);
  if (result.fault) return result;
  const auto replay = join_replay(transaction, batch, subscriber->seq, found.through, context.now);
  if (replay) end_with(*replay, found);
  for (const std::int64_t seq : found.seqs) {
    const bool made = replay_one(transaction, batch, *subscriber, replay, seq, context.now);
    ++(made ? result.sum.changed : result.sum.skipped);
  }
  result.sum.matched += static_cast<std::int64_t>(found.seqs.size());
  result.after = found.after;
  result.through = found.through;
  result.more = found.more;
  const bool is_news = !found.seqs.empty() || !so_far.audit_id;
  if (batch.dry_run == DryRun::no && is_news) {
    result.sum.audit_id = write_progress(transaction.db, context, "webhook.replay", batch.webhook,
                                         replay_detail(batch, result.sum), so_far.audit_id);
  }
  return result;
}

}  // namespace webhookd
