#include "cli/delivery_filter.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/errors.h"
#include "cli/output.h"
#include "shared/ascii.h"

namespace webhookd {
namespace {

std::string first_of(const Json& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    std::string text = text_at(object, name);
    if (text != "-") return text;
  }
  return "-";
}

void check_http(const std::string& http) {
  const bool form = http.size() == 3 && http[0] >= '1' && http[0] <= '5' &&
                    ((is_digit(http[1]) && is_digit(http[2])) || http.substr(1) == "xx");
  if (form || http == "none") return;
  throw usage_error(fmt::format("--http: no HTTP status: {}", http), "write 503, 5xx or none");
}

bool http_matches(const std::string& http, const std::string& status) {
  if (http == "none") return status == "-" || status == "0";
  if (http.ends_with("xx")) return status.size() == 3 && status[0] == http[0];
  return status == http;
}

}  // namespace

Timestamp parse_moment(const std::string& text, Timestamp now, const std::string& option) {
  if (const auto ago = parse_duration(text)) return now - *ago;
  if (const auto time = parse_rfc3339(text)) return *time;
  throw usage_error(fmt::format("{}: no time: {}", option, text),
                    "write 30m, 2h or 7d for as long ago, or 2026-11-23T09:00:00Z");
}

bool DeliveryFilter::empty() const {
  return status.empty() && since.empty() && until.empty() && event_type.empty() && http.empty();
}

Query DeliveryFilter::query(Timestamp now) const {
  Query query;
  if (!status.empty()) query.emplace_back("status", status);
  if (!event_type.empty()) query.emplace_back("event_type", event_type);
  if (!since.empty()) {
    query.emplace_back("since", format_rfc3339(parse_moment(since, now, "--since")));
  }
  if (!until.empty()) {
    query.emplace_back("until", format_rfc3339(parse_moment(until, now, "--until")));
  }
  if (!http.empty()) {
    check_http(http);
    query.emplace_back("response_status", http);
  }
  return query;
}

bool DeliveryFilter::keeps(const Json& delivery, Timestamp now) const {
  if (!status.empty() && text_at(delivery, "status") != status) return false;
  if (!event_type.empty() && first_of(delivery, {"event_type", "event"}) != event_type) {
    return false;
  }
  if (!http.empty() &&
      !http_matches(http, first_of(delivery, {"response_status", "status_code"}))) {
    return false;
  }
  if (since.empty() && until.empty()) return true;
  const auto created = parse_rfc3339(text_at(delivery, "created_at"));
  if (!created) return false;
  if (!since.empty() && *created < parse_moment(since, now, "--since")) return false;
  return until.empty() || *created < parse_moment(until, now, "--until");
}

void check_which(const std::vector<std::string>& ids, const DeliveryFilter& filter, bool dry_run,
                 const std::string& command) {
  if (!ids.empty() && !filter.empty()) {
    throw usage_error("name deliveries or filters, not both",
                      "`webhookctl deliveries` takes the same filters and shows the ids");
  }
  if (ids.empty() && filter.empty()) {
    throw usage_error(fmt::format("name the deliveries to {}", command),
                      "by their ids, or with --status, --since, --event or --http");
  }
  if (dry_run && !ids.empty()) {
    throw usage_error("--dry-run goes with filters, not with ids",
                      "`webhookctl delivery` shows what an id stands for");
  }
}

void add_filter_options(CLI::App& command, DeliveryFilter& filter) {
  command
      .add_option("--status", filter.status, "pending, in_flight, succeeded, failed or cancelled")
      ->check(CLI::IsMember({"pending", "in_flight", "succeeded", "failed", "cancelled"}))
      ->type_name("STATUS");
  command.add_option("--since", filter.since, "Made at or after: 2h ago, or a time")
      ->type_name("TIME");
  command.add_option("--until", filter.until, "Made before: 30m ago, or a time")->type_name("TIME");
  command.add_option("--event", filter.event_type, "Of this event type")->type_name("TYPE");
  command.add_option("--http", filter.http, "Last answered with: 503, 5xx or none")
      ->type_name("STATUS");
}

}  // namespace webhookd
