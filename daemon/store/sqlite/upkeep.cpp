#include "store/sqlite/upkeep.h"

#include <algorithm>
#include <set>
#include <span>

#include "store/sqlite/queue.h"
#include "store/sqlite/record.h"
#include "store/sqlite/retention.h"
#include "store/sqlite/webhooks.h"

namespace webhookd {
namespace {

// Each a few milliseconds of the writer's time: publishing waits no longer than that.
constexpr int kLeasesAtOnce = 50;
constexpr int kRowsAtOnce = 2000;
constexpr int kDeliveriesAtOnce = 100;  // with their attempts and indexes

constexpr std::int64_t kIncremental = 2;
// Fewer free pages, or a smaller share, are better kept for what comes.
constexpr std::int64_t kFewFreePages = 1000;
constexpr std::int64_t kSmallShare = 20;  // a twentieth

constexpr std::chrono::hours kFineKept{48};
constexpr std::chrono::hours kCoarseKept{90 * 24};

std::vector<std::int64_t> numbers(Query rows) {
  std::vector<std::int64_t> found;
  while (rows.step()) found.push_back(rows.integer(0));
  return found;
}

void remove_webhook_row(Connection& db, std::int64_t seq) {
  db.run("DELETE FROM counters WHERE webhook_seq = ?1", seq);
  db.run("DELETE FROM health WHERE webhook_seq = ?1", seq);
  db.run("DELETE FROM replays WHERE webhook_seq = ?1", seq);
  db.run("DELETE FROM clock_shifts WHERE webhook_seq = ?1", seq);
  db.run("DELETE FROM webhooks WHERE seq = ?1", seq);
}

MoreWork more_if(bool more) { return more ? MoreWork::yes : MoreWork::no; }

std::int64_t number(Query row) {
  row.step();
  return row.integer(0);
}

std::int64_t remove_rollups(Connection& db, std::int64_t resolution, Timestamp before) {
  return db.run(
      "DELETE FROM rollups WHERE (webhook_seq, resolution, start) IN ("
      " SELECT r.webhook_seq, r.resolution, r.start FROM webhooks w CROSS JOIN rollups r"
      " ON r.webhook_seq = w.seq AND r.resolution = ?1 AND r.start < ?2 LIMIT ?3)",
      resolution, before, kRowsAtOnce);
}

}  // namespace

std::vector<DeliveryId> find_in_flight(Connection& db) {
  std::vector<DeliveryId> found;
  Query rows = db.query(
      "SELECT d.id FROM webhooks w CROSS JOIN deliveries d INDEXED BY deliveries_status"
      " ON d.webhook_seq = w.seq AND d.status = 1 AND d.status <> 2"
      " WHERE w.deleted_at IS NULL");
  while (rows.step()) found.push_back(DeliveryId{rows.integer(0)});
  return found;
}

std::size_t recover_in_flight(Transaction& transaction, const std::vector<DeliveryId>& interrupted,
                              Timestamp now, std::vector<WebhookId>& changed) {
  const std::size_t made = std::min(interrupted.size(), std::size_t{kRowsAtOnce});
  std::set<WebhookId> webhooks;
  for (const DeliveryId id : std::span(interrupted).last(made)) {
    if (const auto webhook = interrupt(transaction, id, now)) webhooks.insert(*webhook);
  }
  changed.insert(changed.end(), webhooks.begin(), webhooks.end());
  return made;
}

MoreWork end_leases(Transaction& transaction, Timestamp now, std::vector<WebhookId>& changed) {
  std::vector<WebhookId> ended;
  {
    Query rows = transaction.db.query(
        "SELECT id FROM webhooks INDEXED BY webhooks_lease"
        " WHERE expires_at <= ?1 AND expires_at IS NOT NULL AND deleted_at IS NULL"
        " ORDER BY expires_at LIMIT ?2",
        now, kLeasesAtOnce);
    while (rows.step()) ended.push_back(WebhookId{rows.text(0)});
  }
  for (const WebhookId& id : ended) {
    delete_webhook(transaction, id, {now, "daemon", "", ""});
    changed.push_back(id);
  }
  return more_if(ended.size() == static_cast<std::size_t>(kLeasesAtOnce));
}

MoreWork settle_left_over(Transaction& transaction, Timestamp now,
                          std::vector<WebhookId>& changed) {
  std::int64_t seq = 0;
  {
    Query row = transaction.db.query(
        "SELECT seq, id FROM webhooks INDEXED BY webhooks_cancelling WHERE cancelling = 1 LIMIT 1");
    if (!row.step()) return MoreWork::no;
    seq = row.integer(0);
    changed.push_back(WebhookId{row.text(1)});
  }
  settle_stale(transaction, seq, kRowsAtOnce, now);
  return MoreWork::yes;
}

MoreWork remove_deleted(Transaction& transaction, Timestamp events_until) {
  Connection& db = transaction.db;
  const auto seqs = numbers(
      db.query("SELECT seq FROM webhooks INDEXED BY webhooks_deleted WHERE deleted_at IS NOT NULL"
               " LIMIT 1"));
  if (seqs.empty()) return MoreWork::no;
  const std::int64_t seq = seqs.front();
  const auto ids =
      numbers(db.query("SELECT id FROM deliveries INDEXED BY deliveries_list WHERE webhook_seq = ?1"
                       " ORDER BY id LIMIT ?2",
                       seq, kDeliveriesAtOnce));
  for (const std::int64_t id : ids) remove_delivery(db, id, events_until);
  if (ids.size() == static_cast<std::size_t>(kDeliveriesAtOnce)) return MoreWork::yes;
  const std::int64_t rollups = db.run(
      "DELETE FROM rollups WHERE (webhook_seq, resolution, start) IN ("
      " SELECT webhook_seq, resolution, start FROM rollups WHERE webhook_seq = ?1 LIMIT ?2)",
      seq, kRowsAtOnce);
  if (rollups == kRowsAtOnce) return MoreWork::yes;
  remove_webhook_row(db, seq);
  return MoreWork::yes;
}

void remove_old_spans(Transaction& transaction) {
  transaction.db.run(
      "DELETE FROM event_spans WHERE last_seq < (SELECT ifnull(min(seq), 0) FROM events)");
}

MoreWork remove_old_rollups(Transaction& transaction, Timestamp now) {
  const std::int64_t fine = remove_rollups(transaction.db, kFineSeconds, now - kFineKept);
  const std::int64_t coarse = remove_rollups(transaction.db, kCoarseSeconds, now - kCoarseKept);
  return more_if(fine == kRowsAtOnce || coarse == kRowsAtOnce);
}

bool has_space_to_give(Connection& db) {
  // A database that another program has made anew may not be able to.
  if (number(db.query("PRAGMA auto_vacuum")) != kIncremental) return false;
  const std::int64_t free = number(db.query("PRAGMA freelist_count"));
  return free > kFewFreePages && free > number(db.query("PRAGMA page_count")) / kSmallShare;
}

void give_space_back(Connection& db) { db.run("PRAGMA incremental_vacuum(128)"); }

}  // namespace webhookd
