#include "shared/model_json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "shared/canonical_json.h"
#include "shared/encoding.h"

namespace webhookd {

namespace {

template <typename Enum, std::size_t count>
std::optional<Enum> parse_name(std::string_view text, const std::array<Enum, count>& values) {
  for (const Enum value : values) {
    if (to_string(value) == text) return value;
  }
  return std::nullopt;
}

template <typename Rep, typename Period>
Json json_of(const std::chrono::duration<Rep, Period>& duration) {
  return duration.count();
}
Json json_of(Timestamp time) { return format_rfc3339(time); }
Json json_of(DeliveryId id) { return id.value; }
Json json_of(int value) { return value; }
Json json_of(double value) { return value; }
Json json_of(const std::string& text) { return text; }
Json json_of(const std::vector<std::chrono::seconds>& delays) {
  Json list = Json::array();
  for (const std::chrono::seconds delay : delays) list.push_back(delay.count());
  return list;
}
Json json_of(const DeliveryError& error) {
  return {{"kind", to_string(error.kind)}, {"message", replace_invalid_utf8(error.message)}};
}

template <typename Value>
Json nullable(const std::optional<Value>& value) {
  return value ? json_of(*value) : Json();
}

// An object by name. A name that came more than once: its values joined (RFC 9110 section 5.3).
Json headers_json(const Headers& headers) {
  Json object = Json::object();
  for (const auto& [name, value] : headers) {
    std::string shown = is_secret_header(name) ? std::string(kMasked) : replace_invalid_utf8(value);
    auto [it, added] = object.emplace(replace_invalid_utf8(name), shown);
    if (!added && shown != kMasked) it->get_ref<std::string&>() += ", " + shown;
  }
  return object;
}

void put_settings(Json& out, const WebhookSettings& settings) {
  out["name"] = settings.name;
  out["description"] = nullable(settings.description);
  out["url"] = settings.url;
  out["events"] = settings.events;
  out["status"] = to_string(settings.status);
  out["tenant_id"] = nullable(settings.binding.tenant_id);
  out["partner_id"] = nullable(settings.binding.partner_id);
  out["headers"] = headers_json(settings.headers);
  out["timeout_seconds"] = json_of(settings.timeout);
  out["retry_schedule"] = nullable(settings.retry_schedule);
  out["max_in_flight"] = settings.max_in_flight;
  out["rate_limit_per_second"] = nullable(settings.rate_limit_per_second);
  out["ordered"] = settings.ordered;
  Json metadata = Json::object();
  for (const auto& [key, value] : settings.metadata) metadata[key] = value;
  out["metadata"] = std::move(metadata);
  out["expires_at"] = nullable(settings.expires_at);
}

// The text of a response body, when it is one. Keeping only the first bytes may have cut its last
// character in two.
std::optional<std::string> body_text(const std::string& body) {
  if (is_utf8(body)) return body;
  if (body.size() < kKeptResponseBytes) return std::nullopt;
  for (std::size_t cut = 1; cut <= 3; ++cut) {
    const std::string_view shorter = std::string_view(body).substr(0, body.size() - cut);
    if (is_utf8(shorter)) return std::string(shorter);
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(WebhookStatus status) {
  switch (status) {
    case WebhookStatus::active:
      return "active";
    case WebhookStatus::paused:
      return "paused";
    case WebhookStatus::disabled:
      return "disabled";
  }
  return "";
}

std::string_view to_string(DeliveryStatus status) {
  switch (status) {
    case DeliveryStatus::pending:
      return "pending";
    case DeliveryStatus::in_flight:
      return "in_flight";
    case DeliveryStatus::succeeded:
      return "succeeded";
    case DeliveryStatus::failed:
      return "failed";
    case DeliveryStatus::cancelled:
      return "cancelled";
  }
  return "";
}

std::string_view to_string(Trigger trigger) {
  switch (trigger) {
    case Trigger::automatic:
      return "automatic";
    case Trigger::manual:
      return "manual";
    case Trigger::test:
      return "test";
  }
  return "";
}

std::string_view to_string(CircuitState state) {
  switch (state) {
    case CircuitState::closed:
      return "closed";
    case CircuitState::open:
      return "open";
    case CircuitState::half_open:
      return "half_open";
  }
  return "";
}

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::dns:
      return "dns";
    case ErrorKind::connect:
      return "connect";
    case ErrorKind::tls:
      return "tls";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::blocked_address:
      return "blocked_address";
    case ErrorKind::http_status:
      return "http_status";
    case ErrorKind::redirect:
      return "redirect";
    case ErrorKind::protocol:
      return "protocol";
    case ErrorKind::interrupted:
      return "interrupted";
    case ErrorKind::expired:
      return "expired";
  }
  return "";
}

std::optional<WebhookStatus> parse_webhook_status(std::string_view text) {
  return parse_name(
      text, std::array{WebhookStatus::active, WebhookStatus::paused, WebhookStatus::disabled});
}

std::optional<DeliveryStatus> parse_delivery_status(std::string_view text) {
  using enum DeliveryStatus;
  return parse_name(text, std::array{pending, in_flight, succeeded, failed, cancelled});
}

std::optional<Trigger> parse_trigger(std::string_view text) {
  return parse_name(text, std::array{Trigger::automatic, Trigger::manual, Trigger::test});
}

std::optional<ErrorKind> parse_error_kind(std::string_view text) {
  using enum ErrorKind;
  return parse_name(text, std::array{dns, connect, tls, timeout, blocked_address, http_status,
                                     redirect, protocol, interrupted, expired});
}

Json to_json(const Webhook& webhook, const EndpointState& state) {
  Json out = Json::object();
  out["id"] = webhook.id.value;
  put_settings(out, webhook.settings);
  out["secret_hint"] = webhook.secret_hint;
  out["secret_fingerprint"] = webhook.secret_fingerprint;
  out["circuit"] = {{"state", to_string(state.circuit)},
                    {"next_probe_at", nullable(state.next_probe_at)}};
  out["held_until"] = nullable(state.held_until);
  out["hold_reason"] = nullable(state.hold_reason);
  out["backlog"] = webhook.backlog;
  out["head_delivery_id"] = nullable(webhook.head_delivery_id);
  out["disabled_reason"] = nullable(webhook.disabled_reason);
  out["disabled_at"] = nullable(webhook.disabled_at);
  out["consecutive_failures"] = webhook.health.consecutive_failures;
  out["last_success_at"] = nullable(webhook.health.last_success_at);
  out["last_failure_at"] = nullable(webhook.health.last_failure_at);
  out["created_at"] = json_of(webhook.created_at);
  out["updated_at"] = json_of(webhook.updated_at);
  return out;
}

Json to_json(const Delivery& delivery) {
  Json out = Json::object();
  out["id"] = delivery.id.value;
  out["webhook_id"] = delivery.webhook_id.value;
  out["event_id"] = delivery.event_id;
  out["event_type"] = delivery.event_type;
  out["status"] = to_string(delivery.status);
  out["attempt_count"] = delivery.attempt_count;
  out["max_attempts"] = delivery.max_attempts;
  out["next_attempt_at"] = nullable(delivery.next_attempt_at);
  out["created_at"] = json_of(delivery.created_at);
  out["completed_at"] = nullable(delivery.completed_at);
  out["response_status"] = nullable(delivery.response_status);
  out["duration_ms"] = nullable(delivery.duration);
  out["error"] = nullable(delivery.error);
  return out;
}

Json to_json(const Attempt& attempt) {
  Json out = Json::object();
  out["id"] = attempt.id.value;
  out["number"] = attempt.number;
  out["trigger"] = to_string(attempt.trigger);
  out["started_at"] = json_of(attempt.started_at);
  out["request_headers"] = headers_json(attempt.request_headers);
  out["duration_ms"] = json_of(attempt.duration);
  out["timings"] = {{"dns_ms", nullable(attempt.timings.dns)},
                    {"connect_ms", nullable(attempt.timings.connect)},
                    {"tls_ms", nullable(attempt.timings.tls)},
                    {"first_byte_ms", nullable(attempt.timings.first_byte)}};
  out["remote_address"] =
      attempt.remote_address ? Json(replace_invalid_utf8(*attempt.remote_address)) : Json();
  out["response_status"] = nullable(attempt.response_status);
  out["response_headers"] = headers_json(attempt.response_headers);
  if (const auto text = body_text(attempt.response_body)) {
    out["response_body"] = *text;
  } else {
    out["response_body"] = base64_encode(attempt.response_body);
    out["response_body_encoding"] = "base64";
  }
  out["error"] = nullable(attempt.error);
  out["next_attempt_at"] = nullable(attempt.next_attempt_at);
  return out;
}

Json delivery_detail_json(const Delivery& delivery, const std::vector<Attempt>& attempts,
                          std::string_view url, std::string_view body,
                          const std::optional<std::string>& diagnosis) {
  Json out = to_json(delivery);
  out["request"] = {{"url", replace_invalid_utf8(url)}, {"body", replace_invalid_utf8(body)}};
  Json list = Json::array();
  for (const Attempt& attempt : attempts) list.push_back(to_json(attempt));
  out["attempts"] = std::move(list);
  out["diagnosis"] = diagnosis ? Json(replace_invalid_utf8(*diagnosis)) : Json();
  return out;
}

Json to_json(const EventType& type) {
  Json schema;
  if (type.schema) schema = Json::parse(*type.schema, nullptr, false);
  if (schema.is_discarded()) schema = nullptr;
  return {{"event_type", type.name},
          {"description", nullable(type.description)},
          {"resource_type", nullable(type.resource_type)},
          {"schema", std::move(schema)}};
}

Json event_json(const Event& event, const std::vector<Delivery>& deliveries) {
  Json list = Json::array();
  for (const Delivery& delivery : deliveries) list.push_back(to_json(delivery));
  Json out = Json::object();
  out["event_id"] = event.event_id;
  out["event_type"] = event.event_type;
  out["tenant_id"] = nullable(event.binding.tenant_id);
  out["partner_id"] = nullable(event.binding.partner_id);
  out["accepted_at"] = json_of(event.accepted_at);
  // As text: a number's digits survive every client's JSON parser.
  out["body"] = event.body;
  out["deliveries"] = std::move(list);
  return out;
}

Json stats_json(const Stats& stats, const WebhookId& id, std::string_view window) {
  Json out = Json::object();
  out["webhook_id"] = id.value;
  out["window"] = window;
  out["total"] = stats.total;
  out["succeeded"] = stats.succeeded;
  out["failed"] = stats.failed;
  out["pending"] = stats.pending;
  out["in_flight"] = stats.in_flight;
  out["attempts"] = stats.attempts;
  const std::int64_t ended = stats.succeeded + stats.failed;
  out["success_rate"] =
      ended == 0 ? Json() : Json(static_cast<double>(stats.succeeded) / static_cast<double>(ended));
  out["latency_ms"] = {{"avg", nullable(stats.latency_avg_ms)},
                       {"p50", nullable(stats.latency_p50_ms)},
                       {"p95", nullable(stats.latency_p95_ms)},
                       {"p99", nullable(stats.latency_p99_ms)}};
  Json codes = Json::object();
  for (const auto& [code, count] : stats.status_codes) codes[code] = count;
  out["status_codes"] = std::move(codes);
  out["consecutive_failures"] = stats.consecutive_failures;
  out["last_success_at"] = nullable(stats.last_success_at);
  out["last_failure_at"] = nullable(stats.last_failure_at);
  out["oldest_pending_at"] = nullable(stats.oldest_pending_at);
  Json series = Json::array();
  for (const Stats::Point& point : stats.series) {
    series.push_back({{"start", json_of(point.start)},
                      {"succeeded", point.succeeded},
                      {"failed", point.failed}});
  }
  out["series"] = std::move(series);
  return out;
}

Json page_json(std::vector<Json> items, const PageInfo& info) {
  Json out = Json::object();
  out["items"] = Json(std::move(items));
  out["total"] = info.total;
  out["page"] = info.page;
  out["per_page"] = info.per_page;
  out["pages"] = (info.total + info.per_page - 1) / info.per_page;
  if (info.total_capped) out["total_capped"] = true;
  if (info.cursor_offered) out["next_cursor"] = nullable(info.next_cursor);
  return out;
}

namespace {

// Printable ASCII that JSON takes as it is. Looks at all of it, which is faster than to stop early.
bool is_plain(std::string_view text) {
  bool plain = true;
  for (const char c : text) plain &= c >= ' ' && c <= '~' && c != '"' && c != '\\';
  return plain;
}

void append_valid(std::string& out, std::string_view text) {
  if (is_plain(text)) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  if (is_utf8(text)) return append_canonical_string(out, text);
  append_canonical_string(out, replace_invalid_utf8(text));
}

}  // namespace

// Twice for every attempt, so without a tree of values in between.
std::string headers_to_text(const Headers& headers) {
  std::string text = "[";
  for (const auto& [name, value] : headers) {
    text += text.size() > 1 ? ",[" : "[";
    append_valid(text, name);
    text += ',';
    append_valid(text, value);
    text += ']';
  }
  return text + ']';
}

Headers headers_from_text(std::string_view text) {
  const Json list = Json::parse(text, nullptr, false);
  if (!list.is_array()) throw std::invalid_argument("headers are no JSON list");
  Headers headers;
  for (const Json& pair : list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      throw std::invalid_argument("a header is no pair of strings");
    }
    headers.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return headers;
}

}  // namespace webhookd
