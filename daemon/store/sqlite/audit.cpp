#include "store/sqlite/audit.h"

#include <nlohmann/json.hpp>

#include "shared/model_json.h"

namespace webhookd {
namespace {

template <typename T>
Json json_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json time_or_null(const std::optional<Timestamp>& time) {
  return time ? Json(format_rfc3339(*time)) : Json(nullptr);
}

// Any header's value may be a secret, so only names are kept.
Json header_names(const Headers& headers) {
  Json names = Json::object();
  for (const auto& [name, value] : headers) names[name] = kMasked;
  return names;
}

Json schedule_or_null(const std::optional<std::vector<std::chrono::seconds>>& schedule) {
  if (!schedule) return nullptr;
  Json delays = Json::array();
  for (const auto delay : *schedule) delays.push_back(delay.count());
  return delays;
}

Json masked_settings(const WebhookSettings& settings) {
  Json json = Json::object();
  json["name"] = settings.name;
  json["description"] = json_or_null(settings.description);
  json["url"] = settings.url;
  json["events"] = settings.events;
  json["status"] = to_string(settings.status);
  json["tenant_id"] = json_or_null(settings.binding.tenant_id);
  json["partner_id"] = json_or_null(settings.binding.partner_id);
  json["headers"] = header_names(settings.headers);
  json["timeout_seconds"] = settings.timeout.count();
  json["retry_schedule"] = schedule_or_null(settings.retry_schedule);
  json["max_in_flight"] = settings.max_in_flight;
  json["rate_limit_per_second"] = json_or_null(settings.rate_limit_per_second);
  json["ordered"] = settings.ordered;
  json["metadata"] = settings.metadata;
  json["expires_at"] = time_or_null(settings.expires_at);
  return json;
}

std::string status_range(const std::pair<int, int>& range) {
  if (range.second == 0) return "none";
  if (range.first == range.second) return std::to_string(range.first);
  return std::to_string(range.first / 100) + "xx";
}

Json counts(const BatchSum& sum) {
  return {{"matched", sum.matched}, {"changed", sum.changed}, {"skipped", sum.skipped}};
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void write_audit(Connection& db, const ChangeContext& context, std::string_view action,
                 const std::optional<WebhookId>& webhook, const std::string& detail) {
  std::optional<std::string> webhook_id;
  if (webhook) webhook_id = webhook->value;
  db.run(
      "INSERT INTO audit(at, actor, remote, request_id, action, webhook_id, detail)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      context.now, context.actor, context.remote, context.request_id, action, webhook_id, detail);
}

std::int64_t write_progress(Connection& db, const ChangeContext& context, std::string_view action,
                            const WebhookId& webhook, const std::string& detail,
                            std::optional<std::int64_t> audit_id) {
  if (audit_id) {
    db.run("UPDATE audit SET detail = ?2 WHERE id = ?1", *audit_id, detail);
    return *audit_id;
  }
  write_audit(db, context, action, webhook, detail);
  return db.last_insert_id();
}

std::vector<AuditEntry> load_audit(Connection& db, std::optional<std::int64_t> before_id,
                                   int limit) {
  std::vector<AuditEntry> entries;
  Query rows = db.query(
      "SELECT id, at, actor, remote, request_id, action, webhook_id, detail FROM audit"
      " WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
      before_id.value_or(INT64_MAX), limit);
  while (rows.step()) {
    AuditEntry entry{rows.integer(0), rows.time(1), rows.text(2), rows.text(3),
                     rows.text(4),    rows.text(5), std::nullopt, rows.text(7)};
    if (!rows.is_null(6)) entry.webhook_id = WebhookId{rows.text(6)};
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string settings_detail(const WebhookSettings& settings) {
  return text_of(masked_settings(settings));
}

std::string difference_detail(const WebhookSettings& from, const WebhookSettings& to) {
  const Json before = masked_settings(from);
  const Json after = masked_settings(to);
  Json changes = Json::object();
  for (const auto& [field, value] : after.items()) {
    // A header's new value does not show when names are all that is kept.
    const bool hidden_change = field == "headers" && from.headers != to.headers;
    if (before.at(field) == value && !hidden_change) continue;
    changes[field] = Json{{"from", before.at(field)}, {"to", value}};
  }
  return text_of(changes);
}

std::string reason_detail(const std::string& reason) { return text_of(Json{{"reason", reason}}); }

std::string delivery_detail_text(DeliveryId id) { return text_of(Json{{"delivery_id", id.value}}); }

std::string grace_detail(std::chrono::seconds grace) {
  return text_of(Json{{"grace_period_seconds", grace.count()}});
}

std::string event_type_detail(std::string_view name) { return text_of(Json{{"event_type", name}}); }

std::string batch_detail(const DeliveryFilter& filter, const BatchSum& sum) {
  Json json = counts(sum);
  if (filter.status) json["status"] = to_string(*filter.status);
  if (filter.event_type) json["event_type"] = *filter.event_type;
  if (filter.since) json["since"] = format_rfc3339(*filter.since);
  if (filter.until) json["until"] = format_rfc3339(*filter.until);
  if (filter.response_status) json["response_status"] = status_range(*filter.response_status);
  return text_of(json);
}

std::string replay_detail(const ReplayBatch& batch, const BatchSum& sum) {
  Json json = counts(sum);
  json["since"] = format_rfc3339(batch.since);
  if (batch.until) json["until"] = format_rfc3339(*batch.until);
  if (batch.event_type) json["event_type"] = *batch.event_type;
  json["missed_only"] = batch.missed_only;
  if (batch.replay_id) json["replay_id"] = *batch.replay_id;
  return text_of(json);
}

}  // namespace webhookd
