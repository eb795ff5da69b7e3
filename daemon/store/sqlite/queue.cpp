#include "store/sqlite/queue.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "store/own_events.h"
#include "store/sqlite/audit.h"
#include "store/sqlite/clock_shift.h"
#include "store/sqlite/delivery_rows.h"
#include "store/sqlite/events.h"
#include "store/sqlite/record.h"

namespace webhookd {
namespace {

// So many are settled in the change's own transaction; the rest follows in batches.
constexpr int kSettledAtOnce = 5000;
// By a reader that only wants to show something.
constexpr int kMostLookedAt = 1000;

std::optional<Timestamp> earlier(std::optional<Timestamp> left, std::optional<Timestamp> right) {
  if (!left) return right;
  if (!right) return left;
  return std::min(*left, *right);
}

std::optional<Timestamp> first_time(Query query) {
  if (!query.step()) return std::nullopt;
  return query.time(0);
}

// Of the retries asked for by hand (`manual`), or of the automatic attempts of deliveries that
// were taken up again by hand.
std::optional<Timestamp> earliest_by_hand(Connection& db, const QueueKey& key, bool manual) {
  return first_time(
      db.query("SELECT next_attempt_at FROM deliveries INDEXED BY deliveries_by_hand"
               " WHERE webhook_seq = ?1 AND generation = ?2 AND manual = ?3 AND status = 0"
               " AND manual + aside > 0 ORDER BY next_attempt_at LIMIT 1",
               key.seq, key.generation, manual ? 1 : 0));
}

std::optional<Head> first_in_line(Connection& db, const QueueKey& key, DeliveryStatus status) {
  // A stale delivery that is still in flight keeps its place until it ends.
  const std::int64_t after = status == DeliveryStatus::pending ? key.void_through : 0;
  Query row = db.query(
      "SELECT id, next_attempt_at, manual FROM deliveries INDEXED BY deliveries_status"
      " WHERE webhook_seq = ?1 AND status = ?2 AND status <> 2 AND id > ?3 AND aside = 0"
      " AND test = 0 ORDER BY id LIMIT 1",
      key.seq, static_cast<int>(status), after);
  if (!row.step()) return std::nullopt;
  return Head{DeliveryId{row.integer(0)}, status, row.maybe_time(1), row.flag(2)};
}

// Of those that wait to be kept or cancelled the first that will be kept, as far as it is among the
// first of them all.
std::optional<Head> first_kept(Connection& db, const QueueKey& key) {
  Query rows = db.query(
      "SELECT d.id, d.next_attempt_at, d.manual, d.generation >= w.kept_from"
      " AND (w.tenant IS NULL OR e.tenant IS w.tenant)"
      " AND (w.partner IS NULL OR e.partner IS w.partner)"
      " FROM webhooks w CROSS JOIN deliveries d INDEXED BY deliveries_status"
      " ON d.webhook_seq = w.seq AND d.status = 0 AND d.status <> 2"
      " CROSS JOIN events e ON e.seq = d.event_seq"
      " WHERE w.seq = ?1 AND d.aside = 0 AND d.test = 0 ORDER BY d.id LIMIT ?2",
      key.seq, kMostLookedAt);
  while (rows.step()) {
    if (!rows.flag(3)) continue;
    return Head{DeliveryId{rows.integer(0)}, DeliveryStatus::pending, rows.maybe_time(1),
                rows.flag(2)};
  }
  return std::nullopt;
}

std::optional<Head> first_of(const std::optional<Head>& left, const std::optional<Head>& right) {
  if (!left || !right) return left ? left : right;
  return left->id < right->id ? left : right;
}

bool automatic_in_flight(Connection& db, const QueueKey& key) {
  Query row = db.query(
      "SELECT 1 FROM deliveries INDEXED BY deliveries_status"
      " WHERE webhook_seq = ?1 AND status = 1 AND status <> 2 AND manual = 0 AND test = 0 LIMIT 1",
      key.seq);
  return row.step();
}

// When the one automatic attempt that an ordered webhook may have next is due.
std::optional<Timestamp> ordered_due(Connection& db, const QueueKey& key) {
  // While it is open which of those that wait are kept, none may overtake them.
  if (key.sorting || automatic_in_flight(db, key)) return std::nullopt;
  std::optional<Timestamp> due = earliest_by_hand(db, key, false);
  const auto head = head_of(db, key);
  if (head && head->status == DeliveryStatus::pending && !head->manual) {
    due = earlier(due, head->due);
  }
  return due;
}

#define CLAIM_COLUMNS                                                          \
  "SELECT d.id, d.attempt_count, d.max_attempts, d.manual, d.next_attempt_at," \
  " e.event_id, e.type, e.body FROM deliveries d "
#define CLAIM_JOIN " CROSS JOIN events e ON e.seq = d.event_seq "

constexpr const char* kDue = CLAIM_COLUMNS
    "INDEXED BY deliveries_due" CLAIM_JOIN
    "WHERE d.webhook_seq = ?1 AND d.generation = ?2 AND d.status = 0 AND d.next_attempt_at <= ?3"
    " ORDER BY d.next_attempt_at, d.id LIMIT ?4";
constexpr const char* kDueByHand = CLAIM_COLUMNS
    "INDEXED BY deliveries_by_hand" CLAIM_JOIN
    "WHERE d.webhook_seq = ?1 AND d.generation = ?2 AND d.manual = ?5 AND d.status = 0"
    " AND d.manual + d.aside > 0 AND d.next_attempt_at <= ?3"
    " ORDER BY d.next_attempt_at, d.id LIMIT ?4";
constexpr const char* kOne = CLAIM_COLUMNS CLAIM_JOIN "WHERE d.id = ?1";
#undef CLAIM_COLUMNS
#undef CLAIM_JOIN

ClaimedDelivery read_due(const Query& row) {
  ClaimedDelivery claimed;
  claimed.id = DeliveryId{row.integer(0)};
  claimed.attempt_number = row.small(1) + 1;
  claimed.max_attempts = row.small(2);
  claimed.trigger = row.flag(3) ? Trigger::manual : Trigger::automatic;
  claimed.due = row.time(4);
  claimed.event_id = row.text(5);
  claimed.event_type = row.text(6);
  claimed.body = row.text(7);
  return claimed;
}

using AllDue = std::vector<ClaimedDelivery>;

AllDue read_all(Query rows) {
  AllDue due;
  while (rows.step()) due.push_back(read_due(rows));
  return due;
}

AllDue due_by_hand(Connection& db, const QueueKey& key, Timestamp now, int limit, bool manual) {
  return read_all(db.query(kDueByHand, key.seq, key.generation, now, limit, manual ? 1 : 0));
}

// The retries by hand that are due and, when order allows it, one automatic attempt.
AllDue due_in_order(Connection& db, const QueueKey& key, Timestamp now, int limit) {
  AllDue all = due_by_hand(db, key, now, limit, true);
  const auto automatic = ordered_due(db, key);
  if (!automatic || *automatic > now) return all;
  AllDue one = due_by_hand(db, key, now, 1, false);
  const auto head = head_of(db, key);
  const bool head_waits = head && head->status == DeliveryStatus::pending && !head->manual;
  if (head_waits && (one.empty() || *head->due <= one.front().due)) {
    one = read_all(db.query(kOne, head->id.value));
  }
  std::ranges::move(one, std::back_inserter(all));
  std::ranges::stable_sort(all, {}, &ClaimedDelivery::due);
  if (all.size() > static_cast<std::size_t>(limit)) all.erase(all.begin() + limit, all.end());
  return all;
}

AllDue due_of(Connection& db, const QueueKey& key, const ClaimRequest& request, Timestamp now) {
  if (request.what == Claimable::manual_only) {
    return due_by_hand(db, key, now, request.limit, true);
  }
  if (key.ordered) return due_in_order(db, key, now, request.limit);
  return read_all(db.query(kDue, key.seq, key.generation, now, request.limit));
}

// What is stored from now on may not overtake what is due.
int standing_places(const ClaimRequest& request, const Claim& claim, const QueueKey& key,
                    Timestamp now) {
  if (key.ordered || key.sorting || (claim.next_due && *claim.next_due <= now)) return 0;
  return std::min(request.standing, request.limit - static_cast<int>(claim.deliveries.size()));
}

Claim make_claim(Transaction& transaction, const ClaimRequest& request, Timestamp now) {
  Claim claim{request.webhook, {}, std::nullopt};
  const Timestamp due_by = std::min(now, request.due_by.value_or(now));
  const Subscriber* subscriber = transaction.subscriptions.find(request.webhook);
  if (subscriber == nullptr || subscriber->status != WebhookStatus::active) return claim;
  const QueueKey key = key_of(*subscriber);
  for (ClaimedDelivery& due : due_of(transaction.db, key, request, due_by)) {
    transaction.db.run("UPDATE deliveries SET status = 1 WHERE id = ?1", due.id.value);
    transaction.tally.move(key.seq, false, DeliveryStatus::pending, DeliveryStatus::in_flight);
    claim.deliveries.push_back(std::move(due));
  }
  claim.next_due = next_due(transaction.db, key);
  if (request.what == Claimable::any) {
    claim.standing = standing_places(request, claim, key, now);
    transaction.standing.set(*subscriber, claim.standing);
  }
  return claim;
}

Endpoint endpoint_of(Connection& db, const Sealer& sealer, const StoredWebhook& stored) {
  const Webhook& webhook = stored.webhook;
  const WebhookSettings& settings = webhook.settings;
  StoredSecrets secrets = load_secrets(db, sealer, webhook.id, stored.key.seq);
  Endpoint endpoint;
  endpoint.id = webhook.id;
  endpoint.shard = stored.shard;
  endpoint.status = settings.status;
  endpoint.generation = stored.key.generation;
  endpoint.kept_from = stored.kept_from;
  endpoint.url = settings.url;
  endpoint.headers = settings.headers;
  endpoint.timeout = settings.timeout;
  endpoint.retry_schedule = settings.retry_schedule;
  endpoint.max_in_flight = settings.max_in_flight;
  endpoint.rate_limit_per_second = settings.rate_limit_per_second;
  endpoint.ordered = settings.ordered;
  endpoint.secret = std::move(secrets.current);
  endpoint.previous_secret = std::move(secrets.previous);
  endpoint.previous_secret_expires_at = secrets.previous_expires_at;
  endpoint.health = webhook.health;
  endpoint.next_due = next_due(db, stored.key);
  endpoint.unfinished_shift = unfinished_shift(db, stored.key.seq, webhook.id);
  return endpoint;
}

struct Stale {
  DeliveryId id;
  bool test = false;
  bool kept = false;
};

std::vector<Stale> find_stale(Connection& db, std::int64_t seq, int most) {
  std::vector<Stale> found;
  Query rows = db.query(
      "SELECT d.id, d.test, d.generation >= w.kept_from"
      " AND (w.tenant IS NULL OR e.tenant IS w.tenant)"
      " AND (w.partner IS NULL OR e.partner IS w.partner)"
      " FROM webhooks w CROSS JOIN deliveries d INDEXED BY deliveries_due"
      " ON d.webhook_seq = w.seq AND d.generation < w.generation AND d.status = 0"
      " CROSS JOIN events e ON e.seq = d.event_seq WHERE w.seq = ?1 LIMIT ?2",
      seq, most);
  while (rows.step()) found.push_back({DeliveryId{rows.integer(0)}, rows.flag(1), rows.flag(2)});
  return found;
}

Webhook webhook_of(Transaction& transaction, std::int64_t seq) {
  return std::move(load_webhook(transaction.db, transaction.sealer, seq).value().webhook);
}

// What it publishes is in the same transaction, so that a crash neither loses nor repeats it.
void disable(Transaction& transaction, const Disabling& disabling, Timestamp now,
             QueueTurnResult& result) {
  const Subscriber* subscriber = transaction.subscriptions.find(disabling.webhook);
  if (subscriber == nullptr || subscriber->status == WebhookStatus::disabled) return;
  const std::int64_t seq = subscriber->seq;
  disable_webhook(transaction, seq, disabling.reason, now);
  write_audit(transaction.db, {now, "daemon", "", ""}, "webhook.disable", disabling.webhook,
              reason_detail(disabling.reason));
  publish_own(transaction, disabled_event(webhook_of(transaction, seq), disabling, now), seq, now,
              result.woken);
}

// A health's times say by which clock all rows wait.
void update_health(Transaction& transaction, const QueueTurn& turn,
                   const std::vector<ClockShiftPiece>& shifted) {
  std::unordered_set<WebhookId> half_way;
  for (std::size_t i = 0; i < shifted.size(); ++i) {
    const ClockShift& shift = turn.shifts[i];
    if (!shifted[i].done && shift.what == Shifted::all_that_wait) half_way.insert(shift.webhook);
  }
  for (const HealthUpdate& update : turn.health) {
    const Subscriber* subscriber = transaction.subscriptions.find(update.webhook);
    if (subscriber == nullptr || update.kept_from < subscriber->kept_from) continue;
    if (half_way.contains(update.webhook)) continue;
    store_health(transaction.db, subscriber->seq, update.health);
  }
}

void announce_recovery(Transaction& transaction, const Recovery& recovery, Timestamp now,
                       QueueTurnResult& result) {
  const Subscriber* subscriber = transaction.subscriptions.find(recovery.webhook);
  if (subscriber == nullptr || subscriber->status == WebhookStatus::disabled) return;
  const std::int64_t seq = subscriber->seq;
  publish_own(transaction, recovered_event(webhook_of(transaction, seq), recovery, now), seq, now,
              result.woken);
}

}  // namespace

QueueKey key_of(const Subscriber& subscriber) {
  const bool sorting = subscriber.void_through != 0 && subscriber.kept_from < subscriber.generation;
  return {subscriber.seq, subscriber.ordered, subscriber.generation, subscriber.void_through,
          sorting};
}

std::optional<Head> head_of(Connection& db, const QueueKey& key) {
  return first_of(first_in_line(db, key, DeliveryStatus::pending),
                  first_in_line(db, key, DeliveryStatus::in_flight));
}

std::optional<Head> shown_head(Connection& db, const QueueKey& key) {
  if (!key.sorting) return head_of(db, key);
  return first_of(first_kept(db, key), first_in_line(db, key, DeliveryStatus::in_flight));
}

std::optional<Timestamp> next_due(Connection& db, const QueueKey& key) {
  if (key.ordered) return earlier(earliest_by_hand(db, key, true), ordered_due(db, key));
  return first_time(
      db.query("SELECT next_attempt_at FROM deliveries INDEXED BY deliveries_due"
               " WHERE webhook_seq = ?1 AND generation = ?2 AND status = 0"
               " ORDER BY next_attempt_at LIMIT 1",
               key.seq, key.generation));
}

std::optional<Timestamp> oldest_pending(Connection& db, const QueueKey& key) {
  return first_time(
      db.query("SELECT created_at FROM deliveries INDEXED BY deliveries_status"
               " WHERE webhook_seq = ?1 AND status = 0 AND status <> 2 AND id > ?2 AND test = 0"
               " ORDER BY id LIMIT 1",
               key.seq, key.sorting ? 0 : key.void_through));
}

std::vector<Endpoint> load_endpoints(Connection& db, const Sealer& sealer,
                                     std::span<const int> shards) {
  std::vector<Endpoint> endpoints;
  for (const int shard : shards) {
    for (const StoredWebhook& stored : load_shard(db, sealer, shard)) {
      endpoints.push_back(endpoint_of(db, sealer, stored));
    }
  }
  return endpoints;
}

std::optional<Endpoint> load_endpoint(Connection& db, const Sealer& sealer, const WebhookId& id) {
  const auto stored = load_webhook(db, sealer, id);
  if (!stored) return std::nullopt;
  return endpoint_of(db, sealer, *stored);
}

QueueTurnResult make_turn(Transaction& transaction, const QueueTurn& turn, Timestamp now) {
  for (const AttemptResult& result : turn.results) record_result(transaction, result, now);
  for (const DeliveryId id : turn.released) release(transaction, id, now);
  QueueTurnResult result;
  result.shifted = shift_clocks(transaction, turn.shifts);
  update_health(transaction, turn, result.shifted);
  for (const Disabling& disabling : turn.disable) disable(transaction, disabling, now, result);
  for (const Recovery& recovery : turn.recovered) {
    announce_recovery(transaction, recovery, now, result);
  }
  result.claims.reserve(turn.claims.size());
  for (const ClaimRequest& request : turn.claims) {
    result.claims.push_back(make_claim(transaction, request, now));
  }
  for (const WebhookId& webhook : turn.withdrawn) {
    const Subscriber* subscriber = transaction.subscriptions.find(webhook);
    if (subscriber != nullptr) transaction.standing.set(*subscriber, 0);
  }
  return result;
}

void disable_webhook(Transaction& transaction, std::int64_t seq,
                     const std::optional<std::string>& reason, Timestamp now) {
  transaction.db.run(
      "UPDATE webhooks SET status = 2, disabled_reason = ?2, disabled_at = ?3, updated_at = ?3,"
      " paused_at = NULL,"
      " generation = generation + 1, kept_from = generation + 1, cancelling = 1,"
      " void_through = (SELECT ifnull(max(id), 0) FROM deliveries) WHERE seq = ?1",
      seq, reason, now);
  settle_stale(transaction, seq, kSettledAtOnce, now);
  transaction.subscriptions.reload(transaction.db, seq);
}

void rebind_queue(Transaction& transaction, std::int64_t seq, Timestamp now) {
  transaction.db.run(
      "UPDATE webhooks SET generation = generation + 1, cancelling = 1, rebound = 1,"
      " void_through = (SELECT ifnull(max(id), 0) FROM deliveries) WHERE seq = ?1",
      seq);
  settle_stale(transaction, seq, kSettledAtOnce, now);
  transaction.subscriptions.reload(transaction.db, seq);
}

bool settle_stale(Transaction& transaction, std::int64_t seq, int batch, Timestamp now) {
  Connection& db = transaction.db;
  const std::vector<Stale> found = find_stale(db, seq, batch);
  for (const Stale& stale : found) {
    if (stale.kept) {
      db.run(
          "UPDATE deliveries SET generation ="
          " (SELECT generation FROM webhooks WHERE seq = ?2) WHERE id = ?1",
          stale.id.value, seq);
      continue;
    }
    mark_cancelled(db, stale.id, now);
    transaction.tally.move(seq, stale.test, DeliveryStatus::pending, DeliveryStatus::cancelled);
  }
  if (found.size() == static_cast<std::size_t>(batch)) return true;
  db.run("UPDATE webhooks SET cancelling = 0 WHERE seq = ?1", seq);
  transaction.subscriptions.reload(db, seq);
  return false;
}

}  // namespace webhookd
