#include "store/sqlite/many.h"

#include <string>

#include "store/sqlite/audit.h"
#include "store/sqlite/delivery_rows.h"
#include "store/sqlite/record.h"

namespace webhookd {
namespace {

// Tens of milliseconds of a reader's time.
constexpr int kDeliveriesWalked = 20'000;

bool is_indexed(const std::optional<DeliveryStatus>& status) {
  return status && *status != DeliveryStatus::succeeded;
}

// Whether a row that is walked past matches, with the parameters of `walk`.
std::string condition(const DeliveryFilter& filter) {
  std::string sql = "1";
  if (filter.status && !is_indexed(filter.status)) sql += " AND d.status = ?2";
  if (filter.event_type) sql += " AND e.type = ?3";
  if (filter.since) sql += " AND d.created_at >= ?4";
  if (filter.until) sql += " AND d.created_at < ?5";
  if (filter.response_status && filter.response_status->second == 0) {
    sql += " AND d.response_status IS NULL AND d.attempt_count > 0";
  } else if (filter.response_status) {
    sql += " AND d.response_status BETWEEN ?6 AND ?7";
  }
  if (filter.events_visible_to.tenant_id) sql += " AND ifnull(e.tenant, '') = ?8";
  if (filter.events_visible_to.partner_id) sql += " AND ifnull(e.partner, '') = ?9";
  return sql;
}

// The condition is a column, so that the limit bounds the walk and not only what it finds.
std::string walk(const DeliveryFilter& filter) {
  const bool needs_event = filter.event_type || filter.events_visible_to != Binding{};
  std::string sql = "SELECT d.id, " + condition(filter) + " FROM deliveries d INDEXED BY ";
  sql += is_indexed(filter.status) ? "deliveries_status" : "deliveries_list";
  if (needs_event) sql += " CROSS JOIN events e ON e.seq = d.event_seq";
  sql += " WHERE d.webhook_seq = ?1 AND d.id > ?10";
  if (is_indexed(filter.status)) sql += " AND d.status = ?2 AND d.status <> 2";
  return sql + " ORDER BY d.id LIMIT ?11";
}

std::optional<std::int64_t> webhook_seq(Connection& db, const std::optional<WebhookId>& id) {
  if (!id) return std::nullopt;
  Query row = db.query("SELECT seq FROM webhooks WHERE id = ?1 AND deleted_at IS NULL", id->value);
  if (!row.step()) return std::nullopt;
  return row.integer(0);
}

// Whether it was changed.
bool change_one(Transaction& transaction, const DeliveryBatch& batch, const Subscriber& subscriber,
                DeliveryId id, Timestamp now) {
  const auto state = load_state(transaction.db, id);
  if (!state || state->webhook_seq != subscriber.seq) return false;
  // Somebody has changed it since it was found.
  if (batch.filter.status && state->status != *batch.filter.status) return false;
  switch (batch.change) {
    case ChangeOfMany::retry:
      return retry_one(transaction, subscriber, *state, RetrySucceeded::refuse, batch.dry_run,
                       now) == RetryOutcome::retried;
    case ChangeOfMany::cancel:
      return cancel_one(transaction, *state, batch.dry_run, now) == CancelOutcome::cancelled;
  }
  return false;
}

std::string_view action_of(ChangeOfMany change) {
  switch (change) {
    case ChangeOfMany::retry:
      return "deliveries.retry";
    case ChangeOfMany::cancel:
      return "deliveries.cancel";
  }
  return "";
}

}  // namespace

bool is_visible(const Binding& visible_to, const Binding& binding) {
  return (!visible_to.tenant_id || *visible_to.tenant_id == binding.tenant_id.value_or("")) &&
         (!visible_to.partner_id || *visible_to.partner_id == binding.partner_id.value_or(""));
}

bool may_have(const Binding& webhook, const Binding& event) {
  return (!webhook.tenant_id || webhook.tenant_id == event.tenant_id) &&
         (!webhook.partner_id || webhook.partner_id == event.partner_id);
}

FoundDeliveries find_batch(Connection& db, const DeliveryBatch& batch) {
  FoundDeliveries found;
  found.after = batch.after.value;
  const auto seq = webhook_seq(db, batch.filter.webhook_id);
  if (!seq) return found;
  const DeliveryFilter& filter = batch.filter;
  std::optional<int> status;
  if (filter.status) status = static_cast<int>(*filter.status);
  const auto range = filter.response_status.value_or(std::pair{0, 0});
  Query rows = db.query(walk(filter), *seq, status, filter.event_type, filter.since, filter.until,
                        range.first, range.second, filter.visible_to.tenant_id,
                        filter.visible_to.partner_id, batch.after.value, kDeliveriesWalked);
  int walked = 0;
  while (rows.step()) {
    ++walked;
    const bool matches = rows.flag(1);
    // One too many shows that there are more; the next batch begins with it.
    if (matches && found.ids.size() == static_cast<std::size_t>(batch.limit)) {
      found.more = true;
      return found;
    }
    found.after = rows.integer(0);
    if (matches) found.ids.push_back(DeliveryId{found.after});
  }
  found.more = walked == kDeliveriesWalked;
  return found;
}

BatchResult change_batch(Transaction& transaction, const DeliveryBatch& batch,
                         const FoundDeliveries& found, const BatchSum& so_far,
                         const ChangeContext& context) {
  BatchResult result;
  result.sum = so_far;
  result.after = batch.after.value;
  const WebhookId webhook = batch.filter.webhook_id.value_or(WebhookId{});
  const Subscriber* subscriber = transaction.subscriptions.find(webhook);
  if (subscriber == nullptr || !is_visible(batch.filter.visible_to, subscriber->binding)) {
    result.fault = BatchFault::webhook_not_found;
    return result;
  }
  if (batch.change == ChangeOfMany::retry && subscriber->status == WebhookStatus::disabled) {
    result.fault = BatchFault::webhook_disabled;
    return result;
  }
  for (const DeliveryId id : found.ids) {
    const bool changed = change_one(transaction, batch, *subscriber, id, context.now);
    ++(changed ? result.sum.changed : result.sum.skipped);
  }
  result.sum.matched += static_cast<std::int64_t>(found.ids.size());
  result.after = found.after;
  result.more = found.more;
  const bool is_news = !found.ids.empty() || !so_far.audit_id;
  if (batch.dry_run == DryRun::no && is_news) {
    result.sum.audit_id = write_progress(transaction.db, context, action_of(batch.change), webhook,
                                         batch_detail(batch.filter, result.sum), so_far.audit_id);
  }
  return result;
}

}  // namespace webhookd
