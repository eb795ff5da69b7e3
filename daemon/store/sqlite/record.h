#pragma once

// What becomes of deliveries: results, releases, interruptions, retries and cancelling by hand.

#include <cstdint>
#include <optional>

#include "store/sqlite/delivery_rows.h"
#include "store/sqlite/writer.h"

namespace webhookd {

// Dropped when the delivery is gone or not in flight any more.
void record_result(Transaction& transaction, const AttemptResult& result, Timestamp now);

// Claimed and never tried: as before the claim.
void release(Transaction& transaction, DeliveryId id, Timestamp now);

// In flight when the last process ended: an attempt of its own, and pending again. A test fails.
// Its webhook; absent when the delivery is not in flight any more.
std::optional<WebhookId> interrupt(Transaction& transaction, DeliveryId id, Timestamp now);

RetryOutcome retry_delivery(Transaction& transaction, const WebhookId& webhook, DeliveryId id,
                            RetrySucceeded succeeded, const ChangeContext& context);
CancelOutcome cancel_delivery(Transaction& transaction, const WebhookId& webhook, DeliveryId id,
                              const ChangeContext& context);

// The same for one of many: of the subscriber's own, and without a row in the audit log.
RetryOutcome retry_one(Transaction& transaction, const Subscriber& subscriber,
                       const DeliveryState& state, RetrySucceeded succeeded, DryRun dry_run,
                       Timestamp now);
CancelOutcome cancel_one(Transaction& transaction, const DeliveryState& state, DryRun dry_run,
                         Timestamp now);

}  // namespace webhookd
