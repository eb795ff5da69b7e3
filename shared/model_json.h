#pragma once

// The one place that knows how each value looks as JSON.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/model.h"

namespace webhookd {

// Members keep the order in which they were put in.
using Json = nlohmann::ordered_json;

std::string_view to_string(WebhookStatus status);
std::string_view to_string(DeliveryStatus status);
std::string_view to_string(Trigger trigger);
std::string_view to_string(CircuitState state);
std::string_view to_string(ErrorKind kind);
std::optional<WebhookStatus> parse_webhook_status(std::string_view text);
std::optional<DeliveryStatus> parse_delivery_status(std::string_view text);
std::optional<Trigger> parse_trigger(std::string_view text);
std::optional<ErrorKind> parse_error_kind(std::string_view text);

Json to_json(const Webhook& webhook, const EndpointState& state);
Json to_json(const Delivery& delivery);
Json to_json(const Attempt& attempt);
// `url` and `body` are what the request was sent to and with.
Json delivery_detail_json(const Delivery& delivery, const std::vector<Attempt>& attempts,
                          std::string_view url, std::string_view body,
                          const std::optional<std::string>& diagnosis);
Json to_json(const EventType& type);
Json event_json(const Event& event, const std::vector<Delivery>& deliveries);
Json stats_json(const Stats& stats, const WebhookId& id, std::string_view window);

// {"items", "total", "page", "per_page", "pages"}, and "next_cursor" when `cursor_offered`.
struct PageInfo {
  std::int64_t total = 0;
  bool total_capped = false;
  int page = 1;
  int per_page = 50;
  bool cursor_offered = false;
  std::optional<std::string> next_cursor;
};
Json page_json(std::vector<Json> items, const PageInfo& info);

// [["name", "value"], ...] both ways: how headers are kept. parse throws std::invalid_argument.
std::string headers_to_text(const Headers& headers);
Headers headers_from_text(std::string_view text);

}  // namespace webhookd
