#include "store/sqlite/delivery_rows.h"

#include "shared/model_json.h"

namespace webhookd {
namespace {

static_assert(static_cast<int>(DeliveryStatus::pending) == 0);
static_assert(static_cast<int>(DeliveryStatus::in_flight) == 1);
static_assert(static_cast<int>(DeliveryStatus::succeeded) == 2);
static_assert(static_cast<int>(DeliveryStatus::failed) == 3);
static_assert(static_cast<int>(DeliveryStatus::cancelled) == 4);
static_assert(static_cast<int>(Trigger::automatic) == 0);
static_assert(static_cast<int>(Trigger::manual) == 1);
static_assert(static_cast<int>(Trigger::test) == 2);

using Millis = std::optional<std::chrono::milliseconds>;

Millis maybe_millis(const Query& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return std::chrono::milliseconds{row.integer(column)};
}

std::optional<std::int64_t> count_of(const Millis& duration) {
  if (!duration) return std::nullopt;
  return duration->count();
}

std::optional<DeliveryError> maybe_error(const Query& row, int kind_column) {
  if (row.is_null(kind_column)) return std::nullopt;
  const auto kind = parse_error_kind(row.text(kind_column));
  return DeliveryError{kind.value_or(ErrorKind::protocol), row.text(kind_column + 1)};
}

Attempt read_attempt(const Query& row) {
  Attempt attempt;
  attempt.id = AttemptId{row.integer(0)};
  attempt.number = row.small(1);
  attempt.trigger = static_cast<Trigger>(row.small(2));
  attempt.started_at = row.time(3);
  attempt.request_headers = headers_from_text(row.text(4));
  attempt.duration = std::chrono::milliseconds{row.integer(5)};
  attempt.timings = {maybe_millis(row, 6), maybe_millis(row, 7), maybe_millis(row, 8),
                     maybe_millis(row, 9)};
  attempt.remote_address = row.maybe_text(10);
  if (!row.is_null(11)) attempt.response_status = row.small(11);
  attempt.response_headers = headers_from_text(row.text(12));
  attempt.response_body = row.blob(13);
  attempt.error = maybe_error(row, 14);
  attempt.next_attempt_at = row.maybe_time(16);
  return attempt;
}

}  // namespace

Delivery read_delivery(const Query& row) {
  Delivery delivery;
  delivery.id = DeliveryId{row.integer(0)};
  delivery.webhook_id = WebhookId{row.text(1)};
  delivery.event_id = row.text(2);
  delivery.event_type = row.text(3);
  delivery.status = static_cast<DeliveryStatus>(row.small(4));
  delivery.attempt_count = row.small(5);
  delivery.max_attempts = row.small(6);
  // While it is in flight the row keeps when it was due, for the case that it is released.
  if (delivery.status == DeliveryStatus::pending) delivery.next_attempt_at = row.maybe_time(7);
  delivery.created_at = row.time(8);
  delivery.completed_at = row.maybe_time(9);
  if (!row.is_null(10)) delivery.response_status = row.small(10);
  delivery.duration = maybe_millis(row, 11);
  delivery.error = maybe_error(row, 12);
  delivery.event_binding = {row.maybe_text(14), row.maybe_text(15)};
  return delivery;
}

std::optional<Delivery> load_delivery(Connection& db, DeliveryId id) {
  Query row = db.query("SELECT " WEBHOOKD_DELIVERY_COLUMNS
                       " FROM deliveries d JOIN webhooks w ON w.seq = d.webhook_seq"
                       " JOIN events e ON e.seq = d.event_seq"
                       " WHERE d.id = ?1 AND w.deleted_at IS NULL",
                       id.value);
  if (!row.step()) return std::nullopt;
  return read_delivery(row);
}

std::vector<Attempt> load_attempts(Connection& db, DeliveryId id) {
  std::vector<Attempt> attempts;
  Query rows = db.query(
      "SELECT id, number, trigger, started_at, request_headers, duration_ms, dns_ms, connect_ms,"
      " tls_ms, first_byte_ms, remote_address, response_status, response_headers, response_body,"
      " error_kind, error_message, next_attempt_at FROM attempts WHERE delivery_id = ?1"
      " ORDER BY id",
      id.value);
  while (rows.step()) attempts.push_back(read_attempt(rows));
  return attempts;
}

void insert_attempt(Connection& db, DeliveryId delivery, int number, const Attempt& attempt,
                    DeliveryStatus status, std::optional<Timestamp> next_attempt_at) {
  std::optional<int> cancelled;
  if (status == DeliveryStatus::cancelled) cancelled = 1;
  std::optional<std::string_view> error_kind;
  std::optional<std::string_view> error_message;
  if (attempt.error) {
    error_kind = to_string(attempt.error->kind);
    error_message = attempt.error->message;
  }
  db.run(
      "INSERT INTO attempts(delivery_id, number, trigger, started_at, request_headers, duration_ms,"
      " dns_ms, connect_ms, tls_ms, first_byte_ms, remote_address, response_status,"
      " response_headers, response_body, error_kind, error_message, next_attempt_at,"
      " cancelled)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
      delivery.value, number, static_cast<int>(attempt.trigger), attempt.started_at,
      headers_to_text(attempt.request_headers), attempt.duration.count(),
      count_of(attempt.timings.dns), count_of(attempt.timings.connect),
      count_of(attempt.timings.tls), count_of(attempt.timings.first_byte), attempt.remote_address,
      attempt.response_status, headers_to_text(attempt.response_headers),
      Blob{attempt.response_body}, error_kind, error_message, next_attempt_at, cancelled);
}

std::optional<DeliveryState> load_state(Connection& db, DeliveryId id) {
  Query row = db.query(
      "SELECT webhook_seq, status, generation, test, attempt_count, manual, completed_at"
      " FROM deliveries WHERE id = ?1",
      id.value);
  if (!row.step()) return std::nullopt;
  DeliveryState state;
  state.id = id;
  state.webhook_seq = row.integer(0);
  state.status = static_cast<DeliveryStatus>(row.small(1));
  state.generation = row.integer(2);
  state.test = row.flag(3);
  state.attempt_count = row.small(4);
  state.manual = row.flag(5);
  state.completed_at = row.maybe_time(6);
  return state;
}

DeliveryId insert_delivery(Connection& db, const NewDelivery& delivery) {
  db.run(
      "INSERT INTO deliveries(webhook_seq, event_seq, status, generation, test, max_attempts,"
      " next_attempt_at, created_at, replay_seq) VALUES(?1, ?2, ?7, ?3, 0, ?4, ?5, ?5, ?6)",
      delivery.webhook_seq, delivery.event_seq, delivery.generation, delivery.max_attempts,
      delivery.now, delivery.replay_seq, static_cast<int>(delivery.status));
  return DeliveryId{db.last_insert_id()};
}

void mark_cancelled(Connection& db, DeliveryId id, Timestamp now) {
  db.run(
      "UPDATE deliveries SET status = 4, next_attempt_at = NULL, completed_at = ?2, manual = 0"
      " WHERE id = ?1",
      id.value, now);
}

}  // namespace webhookd
