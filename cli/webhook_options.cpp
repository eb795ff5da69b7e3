#include "cli/webhook_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/errors.h"
#include "cli/settings.h"
#include "shared/ascii.h"

namespace webhookd {
namespace {

std::vector<std::string> comma_list(const std::vector<std::string>& arguments) {
  std::vector<std::string> items;
  for (const std::string& argument : arguments) {
    std::istringstream parts(argument);
    for (std::string part; std::getline(parts, part, ',');) {
      if (!trimmed(part).empty()) items.emplace_back(trimmed(part));
    }
  }
  return items;
}

void add_header(Json& headers, std::string_view line, std::string_view where) {
  const std::size_t colon = line.find(':');
  const std::string_view name = trimmed(line.substr(0, colon));
  if (colon == std::string_view::npos || name.empty()) {
    // Not the line itself: it may hold a secret.
    throw usage_error(fmt::format("{}: no header", where), "write it as 'Name: value'");
  }
  headers[std::string(name)] = std::string(trimmed(line.substr(colon + 1)));
}

Json header_members(const WebhookOptions& options) {
  Json headers = Json::object();
  if (options.header_file) {
    std::istringstream lines(read_source(*options.header_file));
    for (std::string line; std::getline(lines, line);) {
      if (!trimmed(line).empty()) add_header(headers, line, "--header-file");
    }
  }
  for (const std::string& line : options.headers) add_header(headers, line, "--header");
  return headers;
}

Json schedule(const std::string& text) {
  if (text == "default") return nullptr;
  Json delays = Json::array();
  if (text == "none") return delays;
  for (const std::string& delay : comma_list({text})) {
    delays.push_back(parse_seconds_of(delay, "--retry-schedule"));
  }
  if (delays.empty()) {
    throw usage_error("--retry-schedule holds no delay", "write 5s,5m,1h, or none for no retries");
  }
  return delays;
}

Json event_patterns(const std::vector<std::string>& arguments) {
  const std::vector<std::string> events = comma_list(arguments);
  if (events.empty()) {
    throw usage_error("--event holds no event type", "`webhookctl events` lists them");
  }
  return events;
}

// JSON has neither infinity nor "not a number": they would become null, which is no limit at all.
// CLI11 reads 010 as eight and 0x10 as sixteen, which nobody means.
std::string decimal_fault(const std::string& text) {
  const std::size_t first = text.find_first_not_of("+-");
  const bool leading_zero = first != std::string::npos && text[first] == '0' &&
                            first + 1 < text.size() && text[first + 1] != '.';
  return leading_zero ? "takes a decimal number without leading zeros" : "";
}

double rate_limit(double limit) {
  if (std::isfinite(limit)) return limit;
  throw usage_error("--rate-limit takes a number of attempts per second",
                    "write 0.5 or 20; --no-rate-limit of `update` removes the limit");
}

Json metadata_members(const std::vector<std::string>& pairs) {
  Json metadata = Json::object();
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw usage_error(fmt::format("--metadata: no pair: {}", pair), "write it as key=value");
    }
    metadata[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return metadata;
}

void add_identity_options(CLI::App& command, WebhookOptions& options) {
  command
      .add_option("--event", options.events, "Event type, user.* or *; repeat it, or use commas")
      ->type_name("TYPE")
      ->allow_extra_args(false);
  command.add_option("--name", options.name, "Name (default: the URL's host)")->type_name("NAME");
  command.add_option("--description", options.description, "A sentence for people")
      ->type_name("TEXT");
  command.add_option("--tenant", options.tenant, "Only events of this tenant")->type_name("ID");
  command.add_option("--partner", options.partner, "Only events of this partner")->type_name("ID");
  command.add_option("--metadata", options.metadata, "Pair for your own use; repeat it")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--expires-in", options.expires_in, "Delete the webhook after this long")
      ->type_name("DURATION");
}

void add_sending_options(CLI::App& command, WebhookOptions& options) {
  command.add_option("--header", options.headers, "Extra request header 'Name: value'; repeat it")
      ->type_name("HEADER")
      ->allow_extra_args(false);
  command
      .add_option("--header-file", options.header_file,
                  "File of such headers, one per line: keeps secrets out of ps; - is stdin")
      ->type_name("FILE");
  command
      .add_option("--attempt-timeout", options.attempt_timeout,
                  "How long one attempt may take, 1s to 60s (default 15s)")
      ->type_name("DURATION");
  command
      .add_option("--retry-schedule", options.retry_schedule,
                  "Delays between attempts, as 5s,5m,1h; none; or default")
      ->type_name("LIST");
  command
      .add_option("--max-in-flight", options.max_in_flight,
                  "Attempts at a time, 1 to 256 (default 16)")
      ->check(CLI::Validator(decimal_fault, ""))
      ->type_name("N");
  command.add_option("--rate-limit", options.rate_limit, "Attempts per second at most")
      ->check(CLI::Validator(decimal_fault, ""))
      ->type_name("N");
  command.add_flag_callback(
      "--ordered", [&options] { options.ordered = true; },
      "One at a time, in the order of the events; a failing one holds back the rest");
}

}  // namespace

void add_webhook_options(CLI::App& command, WebhookOptions& options) {
  add_identity_options(command, options);
  add_sending_options(command, options);
}

Json settings_json(const WebhookOptions& options, Timestamp now) {
  Json body = Json::object();
  if (!options.events.empty()) body["events"] = event_patterns(options.events);
  if (options.name) body["name"] = *options.name;
  if (options.description) body["description"] = *options.description;
  if (options.tenant) body["tenant_id"] = *options.tenant;
  if (options.partner) body["partner_id"] = *options.partner;
  const Json headers = header_members(options);
  if (!headers.empty()) body["headers"] = headers;
  if (options.attempt_timeout) {
    body["timeout_seconds"] = parse_seconds_of(*options.attempt_timeout, "--attempt-timeout");
  }
  if (options.retry_schedule) body["retry_schedule"] = schedule(*options.retry_schedule);
  if (options.max_in_flight) body["max_in_flight"] = *options.max_in_flight;
  if (options.rate_limit) body["rate_limit_per_second"] = rate_limit(*options.rate_limit);
  if (options.ordered) body["ordered"] = *options.ordered;
  const Json metadata = metadata_members(options.metadata);
  if (!metadata.empty()) body["metadata"] = metadata;
  if (options.expires_in) {
    body["expires_at"] =
        format_rfc3339(now + parse_duration_of(*options.expires_in, "--expires-in"));
  }
  return body;
}

}  // namespace webhookd
