#include "store/sqlite/record.h"

#include "shared/model_json.h"
#include "store/sqlite/audit.h"

namespace webhookd {
namespace {

// What is set must equal the event's.
bool matches_event(Connection& db, const Binding& webhook, DeliveryId id) {
  Query row = db.query(
      "SELECT 1 FROM deliveries d JOIN events e ON e.seq = d.event_seq WHERE d.id = ?1"
      " AND (?2 IS NULL OR e.tenant = ?2) AND (?3 IS NULL OR e.partner = ?3)",
      id.value, webhook.tenant_id, webhook.partner_id);
  return row.step();
}

// Whether it may be pending again: its webhook has not been disabled since, and may still have its
// event.
bool may_wait(const Transaction& transaction, const DeliveryState& state) {
  const Subscriber* subscriber = transaction.subscriptions.find(state.webhook_seq);
  if (subscriber == nullptr || state.generation < subscriber->kept_from) return false;
  return state.generation == subscriber->generation ||
         matches_event(transaction.db, subscriber->binding, state.id);
}

DeliveryStatus settled_status(const Transaction& transaction, const DeliveryState& state,
                              DeliveryStatus wanted) {
  if (wanted != DeliveryStatus::pending) return wanted;
  if (state.test) return DeliveryStatus::failed;  // tests are never retried
  return may_wait(transaction, state) ? DeliveryStatus::pending : DeliveryStatus::cancelled;
}

// One that may wait again after its webhook's binding has changed would be stale otherwise.
void join_queue(Transaction& transaction, const DeliveryState& state) {
  const Subscriber* subscriber = transaction.subscriptions.find(state.webhook_seq);
  if (subscriber->generation == state.generation) return;
  transaction.db.run("UPDATE deliveries SET generation = ?2 WHERE id = ?1", state.id.value,
                     subscriber->generation);
}

void update_row(Connection& db, const DeliveryState& state, const Attempt& attempt,
                DeliveryStatus status, std::optional<Timestamp> next_attempt_at, Timestamp now) {
  std::optional<std::string_view> error_kind;
  std::optional<std::string_view> error_message;
  if (attempt.error) {
    error_kind = to_string(attempt.error->kind);
    error_message = attempt.error->message;
  }
  std::optional<Timestamp> completed_at;
  if (status != DeliveryStatus::pending) completed_at = now;
  db.run(
      "UPDATE deliveries SET status = ?2, attempt_count = attempt_count + 1,"
      " next_attempt_at = ?3, completed_at = ?4, response_status = ?5, duration_ms = ?6,"
      " error_kind = ?7, error_message = ?8, manual = 0 WHERE id = ?1",
      state.id.value, static_cast<int>(status), next_attempt_at, completed_at,
      attempt.response_status, attempt.duration.count(), error_kind, error_message);
}

void record(Transaction& transaction, const DeliveryState& state, const Attempt& attempt,
            DeliveryStatus wanted, Timestamp now) {
  const DeliveryStatus status = settled_status(transaction, state, wanted);
  std::optional<Timestamp> next_attempt_at;
  if (status == DeliveryStatus::pending) next_attempt_at = attempt.next_attempt_at.value_or(now);
  insert_attempt(transaction.db, state.id, state.attempt_count + 1, attempt, status,
                 next_attempt_at);
  update_row(transaction.db, state, attempt, status, next_attempt_at, now);
  if (status == DeliveryStatus::pending) join_queue(transaction, state);
  transaction.tally.move(state.webhook_seq, state.test, DeliveryStatus::in_flight, status);
  if (state.test) return;
  Rollup& rollup = transaction.tally.rollup(state.webhook_seq, now);
  rollup.add_attempt(attempt);
  if (status == DeliveryStatus::succeeded) ++rollup.succeeded;
  if (status == DeliveryStatus::failed) ++rollup.failed;
}

// A delivery counts once, as what it has become: where it ends again it is counted again.
void take_end_back(Transaction& transaction, const DeliveryState& state) {
  if (!state.completed_at) return;
  Rollup& rollup = transaction.tally.rollup(state.webhook_seq, *state.completed_at);
  if (state.status == DeliveryStatus::succeeded) --rollup.succeeded;
  if (state.status == DeliveryStatus::failed) --rollup.failed;
}

std::optional<DeliveryState> state_in_flight(Transaction& transaction, DeliveryId id) {
  auto state = load_state(transaction.db, id);
  if (!state || state->status != DeliveryStatus::in_flight) return std::nullopt;
  if (transaction.subscriptions.find(state->webhook_seq) == nullptr) return std::nullopt;
  return state;
}

struct OwnDelivery {
  const Subscriber* subscriber = nullptr;
  DeliveryState state;
};

std::optional<OwnDelivery> find_own(Transaction& transaction, const WebhookId& webhook,
                                    DeliveryId id) {
  const Subscriber* subscriber = transaction.subscriptions.find(webhook);
  if (subscriber == nullptr) return std::nullopt;
  const auto state = load_state(transaction.db, id);
  if (!state || state->webhook_seq != subscriber->seq) return std::nullopt;
  return OwnDelivery{subscriber, *state};
}

// The ordinary end: one statement finds out whether it is one, and writes it.
bool record_success(Transaction& transaction, const AttemptResult& result, Timestamp now) {
  const Attempt& attempt = result.attempt;
  const Subscriber* subscriber = transaction.subscriptions.find(result.webhook);
  if (result.status != DeliveryStatus::succeeded || subscriber == nullptr) return false;
  const std::int64_t changed = transaction.db.run(
      "UPDATE deliveries SET status = 2, attempt_count = attempt_count + 1,"
      " next_attempt_at = NULL, completed_at = ?4, response_status = ?5, duration_ms = ?6,"
      " error_kind = NULL, error_message = NULL, manual = 0"
      " WHERE id = ?1 AND webhook_seq = ?2 AND attempt_count = ?3 AND status = 1 AND test = 0",
      result.delivery.value, subscriber->seq, attempt.number - 1, now, attempt.response_status,
      attempt.duration.count());
  if (changed == 0) return false;
  insert_attempt(transaction.db, result.delivery, attempt.number, attempt, result.status,
                 std::nullopt);
  transaction.tally.move(subscriber->seq, false, DeliveryStatus::in_flight, result.status);
  Rollup& rollup = transaction.tally.rollup(subscriber->seq, now);
  rollup.add_attempt(attempt);
  ++rollup.succeeded;
  return true;
}

// When what was interrupted is due. What was due before the clock was set stays as it is in the
// rest of a shift that was broken off as well.
Timestamp due_after_interruption(Connection& db, std::int64_t webhook_seq, Timestamp now) {
  Query shift = db.query("SELECT after FROM clock_shifts WHERE webhook_seq = ?1", webhook_seq);
  return shift.step() ? std::min(now, shift.time(0)) : now;
}

}  // namespace

void record_result(Transaction& transaction, const AttemptResult& result, Timestamp now) {
  if (record_success(transaction, result, now)) return;
  const auto state = state_in_flight(transaction, result.delivery);
  if (state) record(transaction, *state, result.attempt, result.status, now);
}

void release(Transaction& transaction, DeliveryId id, Timestamp now) {
  const auto state = state_in_flight(transaction, id);
  if (!state || state->test) return;
  const auto status = settled_status(transaction, *state, DeliveryStatus::pending);
  if (status == DeliveryStatus::cancelled) {
    mark_cancelled(transaction.db, id, now);
  } else {
    transaction.db.run("UPDATE deliveries SET status = 0 WHERE id = ?1", id.value);
    join_queue(transaction, *state);
  }
  transaction.tally.move(state->webhook_seq, false, DeliveryStatus::in_flight, status);
}

std::optional<WebhookId> interrupt(Transaction& transaction, DeliveryId id, Timestamp now) {
  const auto state = state_in_flight(transaction, id);
  if (!state) return std::nullopt;
  Attempt attempt;
  if (state->manual) attempt.trigger = Trigger::manual;
  if (state->test) attempt.trigger = Trigger::test;
  attempt.started_at = now;
  attempt.error = DeliveryError{ErrorKind::interrupted,
                                "the daemon ended during this attempt; whether the receiver got it "
                                "is unknown"};
  attempt.next_attempt_at = due_after_interruption(transaction.db, state->webhook_seq, now);
  // Even a last attempt: an interruption exhausts nothing.
  record(transaction, *state, attempt, DeliveryStatus::pending, now);
  transaction.db.run(
      "UPDATE deliveries SET manual = ?2, max_attempts = max(max_attempts, attempt_count + 1)"
      " WHERE id = ?1 AND status = 0",
      id.value, state->manual ? 1 : 0);
  return transaction.subscriptions.find(state->webhook_seq)->id;
}

RetryOutcome retry_one(Transaction& transaction, const Subscriber& subscriber,
                       const DeliveryState& state, RetrySucceeded succeeded, DryRun dry_run,
                       Timestamp now) {
  if (state.test) return RetryOutcome::is_test;
  if (!matches_event(transaction.db, subscriber.binding, state.id)) {
    return RetryOutcome::foreign_event;
  }
  if (state.status == DeliveryStatus::in_flight) return RetryOutcome::in_flight;
  if (subscriber.status == WebhookStatus::disabled) return RetryOutcome::webhook_disabled;
  if (state.status == DeliveryStatus::succeeded && succeeded == RetrySucceeded::refuse) {
    return RetryOutcome::already_succeeded;
  }
  if (dry_run == DryRun::yes) return RetryOutcome::retried;
  // What had ended, or was about to be marked as cancelled, has lost its place in the order.
  const bool keeps_place =
      state.status == DeliveryStatus::pending && state.generation >= subscriber.kept_from;
  transaction.db.run(
      "UPDATE deliveries SET status = 0, manual = 1, aside = max(aside, ?2), generation = ?3,"
      " next_attempt_at = ?4, completed_at = NULL,"
      " error_message = iif(error_kind = 'expired', NULL, error_message),"
      " error_kind = nullif(error_kind, 'expired'),"
      " max_attempts = max(max_attempts, attempt_count + 1) WHERE id = ?1",
      state.id.value, keeps_place ? 0 : 1, subscriber.generation, now);
  transaction.tally.move(state.webhook_seq, false, state.status, DeliveryStatus::pending);
  take_end_back(transaction, state);
  return RetryOutcome::retried;
}

RetryOutcome retry_delivery(Transaction& transaction, const WebhookId& webhook, DeliveryId id,
                            RetrySucceeded succeeded, const ChangeContext& context) {
  const auto own = find_own(transaction, webhook, id);
  if (!own) return RetryOutcome::not_found;
  const RetryOutcome outcome =
      retry_one(transaction, *own->subscriber, own->state, succeeded, DryRun::no, context.now);
  if (outcome == RetryOutcome::retried) {
    write_audit(transaction.db, context, "delivery.retry", webhook, delivery_detail_text(id));
  }
  return outcome;
}

CancelOutcome cancel_one(Transaction& transaction, const DeliveryState& state, DryRun dry_run,
                         Timestamp now) {
  if (state.status != DeliveryStatus::pending) return CancelOutcome::not_pending;
  if (dry_run == DryRun::yes) return CancelOutcome::cancelled;
  mark_cancelled(transaction.db, state.id, now);
  transaction.tally.move(state.webhook_seq, state.test, DeliveryStatus::pending,
                         DeliveryStatus::cancelled);
  return CancelOutcome::cancelled;
}

CancelOutcome cancel_delivery(Transaction& transaction, const WebhookId& webhook, DeliveryId id,
                              const ChangeContext& context) {
  const auto own = find_own(transaction, webhook, id);
  if (!own) return CancelOutcome::not_found;
  const CancelOutcome outcome = cancel_one(transaction, own->state, DryRun::no, context.now);
  if (outcome == CancelOutcome::cancelled) {
    write_audit(transaction.db, context, "delivery.cancel", webhook, delivery_detail_text(id));
  }
  return outcome;
}

}  // namespace webhookd
