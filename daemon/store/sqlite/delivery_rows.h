#pragma once

// Deliveries and attempts between their rows and the model.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/model.h"
#include "store/sqlite/connection.h"

namespace webhookd {

// The columns of read_delivery, from deliveries d, events e and webhooks w.
#define WEBHOOKD_DELIVERY_COLUMNS                                                       \
  "d.id, w.id, e.event_id, e.type, d.status, d.attempt_count, d.max_attempts,"          \
  " d.next_attempt_at, d.created_at, d.completed_at, d.response_status, d.duration_ms," \
  " d.error_kind, d.error_message, e.tenant, e.partner"

Delivery read_delivery(const Query& row);

// Absent when there is none, or its webhook is deleted.
std::optional<Delivery> load_delivery(Connection& db, DeliveryId id);

// In the order in which they were made.
std::vector<Attempt> load_attempts(Connection& db, DeliveryId id);

// `status` is the delivery's after it.
void insert_attempt(Connection& db, DeliveryId delivery, int number, const Attempt& attempt,
                    DeliveryStatus status, std::optional<Timestamp> next_attempt_at);

// What recording, retrying and cancelling need to know.
struct DeliveryState {
  DeliveryId id;
  std::int64_t webhook_seq = 0;
  DeliveryStatus status = DeliveryStatus::pending;
  std::int64_t generation = 0;
  bool test = false;
  int attempt_count = 0;
  bool manual = false;
  std::optional<Timestamp> completed_at;
};
std::optional<DeliveryState> load_state(Connection& db, DeliveryId id);

struct NewDelivery {
  std::int64_t webhook_seq = 0;
  std::int64_t event_seq = 0;
  std::int64_t generation = 0;
  int max_attempts = 1;
  Timestamp now;  // and due
  DeliveryStatus status = DeliveryStatus::pending;
  std::optional<std::int64_t> replay_seq = std::nullopt;  // that it was made by
};
DeliveryId insert_delivery(Connection& db, const NewDelivery& delivery);

void mark_cancelled(Connection& db, DeliveryId id, Timestamp now);

}  // namespace webhookd
