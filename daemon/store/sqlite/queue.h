#pragma once

// The queue of each webhook: what is due, claims, and results on their way back.

#include <optional>
#include <span>
#include <vector>

#include "store/sqlite/webhook_rows.h"
#include "store/sqlite/writer.h"

namespace webhookd {

QueueKey key_of(const Subscriber& subscriber);

// What the first in the line of an ordered webhook is; absent when nothing waits in it.
struct Head {
  DeliveryId id;
  DeliveryStatus status = DeliveryStatus::pending;
  std::optional<Timestamp> due;
  bool manual = false;
};
std::optional<Head> head_of(Connection& db, const QueueKey& key);
// The same for people to see: also while it is open which of those that wait are kept.
std::optional<Head> shown_head(Connection& db, const QueueKey& key);

// When the earliest pending delivery that order does not hold back is due.
std::optional<Timestamp> next_due(Connection& db, const QueueKey& key);

std::optional<Timestamp> oldest_pending(Connection& db, const QueueKey& key);

std::vector<Endpoint> load_endpoints(Connection& db, const Sealer& sealer,
                                     std::span<const int> shards);
std::optional<Endpoint> load_endpoint(Connection& db, const Sealer& sealer, const WebhookId& id);

QueueTurnResult make_turn(Transaction& transaction, const QueueTurn& turn, Timestamp now);

// Stops a webhook at once; what waits is cancelled, the first of it now.
void disable_webhook(Transaction& transaction, std::int64_t seq,
                     const std::optional<std::string>& reason, Timestamp now);

// After the webhook has got another tenant or partner: nothing that waits is claimed until it is
// known that the webhook may have its event; the others are cancelled, the first of them now.
void rebind_queue(Transaction& transaction, std::int64_t seq, Timestamp now);

// One batch of what a disabling or another tenant or partner has left: cancelled or kept. True when
// there may be more.
bool settle_stale(Transaction& transaction, std::int64_t seq, int batch, Timestamp now);

}  // namespace webhookd
