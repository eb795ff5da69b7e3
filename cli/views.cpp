#include "cli/views.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace webhookd {
namespace {

constexpr auto kWide = Shown::wide;
constexpr int kLeastUrl = 12;  // on 80 columns a host can still be told

std::string joined(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return "-";
  if (!found->is_array()) return text_at(object, name);
  std::string text;
  for (const Json& item : *found) {
    if (!text.empty()) text += ", ";
    text += item.is_string() ? item.get<std::string>() : item.dump();
  }
  return text.empty() ? "none" : text;
}

// "X-Team: billing, Authorization: ***"
std::string pairs_text(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_object() || found->empty()) return "-";
  std::string text;
  for (const auto& [key, value] : found->items()) {
    if (!text.empty()) text += ", ";
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    text += fmt::format("{}: {}", key, is_secret_header(key) ? kMasked : shown);
  }
  return text;
}

std::string delay_text(const Json& delay) {
  constexpr std::int64_t kLongest = 1'000'000'000;  // in milliseconds it must fit into an integer
  if (!delay.is_number_integer()) return delay.dump();
  const auto seconds = delay.get<std::int64_t>();
  if (seconds < 0 || seconds > kLongest) return delay.dump();
  return format_duration(std::chrono::seconds(seconds));
}

std::string schedule_text(const Json& webhook, const View& view) {
  const auto found = webhook.find("retry_schedule");
  if (found == webhook.end()) return "-";
  if (found->is_null()) return "default";
  if (!found->is_array() || view.format == Format::tsv) return joined(webhook, "retry_schedule");
  if (found->empty()) return "none";
  std::string text;
  for (const Json& delay : *found) {
    if (!text.empty()) text += ", ";
    text += delay_text(delay);
  }
  return text;
}

// The host tells webhooks apart; on a screen that is too narrow for all, the scheme is left out.
Cell url_cell(const Json& webhook, const View& view) {
  Cell url = cell_at(webhook, "url");
  const std::size_t scheme = url.text.find("://");
  if (view.width == 0 || scheme == std::string::npos) return url;
  return {url.text.substr(scheme + 3)};
}

Cell next_attempt(const Json& delivery, const View& view) {
  const bool pending = text_at(delivery, "status") == "pending";
  return pending ? due_at(delivery, "next_attempt_at", view)
                 : time_at(delivery, "next_attempt_at", view);
}

Cell failures(const Json& webhook) {
  const Cell count = cell_at(webhook, "consecutive_failures");
  return count.text == "0" || count.text == "-" ? count : Cell{count.text, Tone::bad};
}

Cell circuit(const Json& webhook) {
  const std::string state = text_at(webhook, "circuit.state");
  return {state, state == "closed" || state == "-" ? Tone::plain : Tone::waiting};
}

std::string tries(const Json& delivery, const View& view) {
  const std::string made = text_at(delivery, "attempt_count");
  const std::string most = text_at(delivery, "max_attempts");
  return view.format == Format::tsv || most == "-" ? made : made + "/" + most;
}

Cell http_status(const Json& object) {
  std::string text = text_at(object, "response_status");
  if (text == "-") text = text_at(object, "status_code");
  if (text.size() != 3) return {text};
  return {text, text[0] == '2' ? Tone::good : Tone::bad};
}

std::string error_text(const Json& object) {
  std::string message = text_at(object, "error.message");
  if (message != "-") return message;
  const auto found = object.find("error");
  return found != object.end() && found->is_string() ? found->get<std::string>() : "-";
}

void add_if_set(Card& card, const std::string& name, const Cell& cell, const View& view) {
  if (cell.text != "-" || view.format != Format::table) card.add(name, cell);
}

}  // namespace

Table webhook_table(const std::vector<Json>& webhooks, const View& view) {
  Table table;
  table.columns = {{"id"},
                   {"name", Align::left, Fit::shrinks},
                   {"status"},
                   {"events", Align::left, Fit::shrinks},
                   {"url", Align::left, Fit::shrinks, Shown::always, "", kLeastUrl},
                   {"backlog", Align::right},
                   {"consecutive_failures", Align::right, Fit::fixed, Shown::always, "FAILS"},
                   {"circuit", Align::left, Fit::fixed, kWide},
                   {"tenant_id", Align::left, Fit::fixed, kWide, "TENANT"},
                   {"partner_id", Align::left, Fit::fixed, kWide, "PARTNER"},
                   {"last_success_at", Align::left, Fit::fixed, kWide, "LAST SUCCESS"},
                   {"last_failure_at", Align::left, Fit::fixed, kWide, "LAST FAILURE"},
                   {"created_at", Align::left, Fit::fixed, kWide, "CREATED"}};
  for (const Json& webhook : webhooks) {
    table.rows.push_back({cell_at(webhook, "id"),
                          cell_at(webhook, "name"),
                          status_at(webhook, "status"),
                          {joined(webhook, "events")},
                          url_cell(webhook, view),
                          cell_at(webhook, "backlog"),
                          failures(webhook),
                          circuit(webhook),
                          cell_at(webhook, "tenant_id"),
                          cell_at(webhook, "partner_id"),
                          time_at(webhook, "last_success_at", view),
                          time_at(webhook, "last_failure_at", view),
                          time_at(webhook, "created_at", view)});
  }
  return table;
}

Card webhook_card(const Json& webhook, const View& view) {
  Card card;
  card.add("id", cell_at(webhook, "id"));
  card.add("name", cell_at(webhook, "name"));
  add_if_set(card, "description", cell_at(webhook, "description"), view);
  card.add("url", cell_at(webhook, "url"));
  card.add("events", {joined(webhook, "events")});
  card.add("status", status_at(webhook, "status"));
  for (const char* name : {"disabled_reason", "hold_reason"}) {
    add_if_set(card, name, cell_at(webhook, name, Tone::bad), view);
  }
  add_if_set(card, "disabled_at", time_at(webhook, "disabled_at", view), view);
  add_if_set(card, "held_until", time_at(webhook, "held_until", view), view);
  add_if_set(card, "tenant_id", cell_at(webhook, "tenant_id"), view);
  add_if_set(card, "partner_id", cell_at(webhook, "partner_id"), view);
  add_if_set(card, "headers", {pairs_text(webhook, "headers")}, view);
  add_if_set(card, "metadata", {pairs_text(webhook, "metadata")}, view);
  card.add("timeout_seconds", cell_at(webhook, "timeout_seconds"));
  card.add("retry_schedule", {schedule_text(webhook, view)});
  card.add("max_in_flight", cell_at(webhook, "max_in_flight"));
  add_if_set(card, "rate_limit_per_second", cell_at(webhook, "rate_limit_per_second"), view);
  card.add("ordered", cell_at(webhook, "ordered"));
  card.add("backlog", cell_at(webhook, "backlog"));
  add_if_set(card, "head_delivery_id", cell_at(webhook, "head_delivery_id"), view);
  card.add("circuit", circuit(webhook));
  add_if_set(card, "next_probe_at", time_at(webhook, "circuit.next_probe_at", view), view);
  card.add("consecutive_failures", failures(webhook));
  card.add("last_success_at", time_at(webhook, "last_success_at", view));
  card.add("last_failure_at", time_at(webhook, "last_failure_at", view));
  card.add("secret_hint", cell_at(webhook, "secret_hint"));
  add_if_set(card, "secret_fingerprint", cell_at(webhook, "secret_fingerprint"), view);
  add_if_set(card, "expires_at", time_at(webhook, "expires_at", view), view);
  card.add("created_at", time_at(webhook, "created_at", view));
  card.add("updated_at", time_at(webhook, "updated_at", view));
  return card;
}

Table delivery_table(const std::vector<Json>& deliveries, const View& view) {
  Table table;
  table.columns = {{"id", Align::right},
                   {"status"},
                   {"event_type", Align::left, Fit::shrinks, Shown::always, "EVENT"},
                   {"response_status", Align::right, Fit::fixed, Shown::always, "HTTP"},
                   {"attempt_count", Align::right, Fit::fixed, Shown::always, "TRIES"},
                   {"duration_ms", Align::right, Fit::fixed, Shown::always, "TOOK"},
                   {"created_at", Align::left, Fit::fixed, Shown::always, "CREATED"},
                   {"next_attempt_at", Align::left, Fit::fixed, Shown::always, "NEXT"},
                   {"error", Align::left, Fit::shrinks},
                   {"event_id", Align::left, Fit::fixed, kWide},
                   {"completed_at", Align::left, Fit::fixed, kWide, "COMPLETED"},
                   {"webhook_id", Align::left, Fit::fixed, kWide, "WEBHOOK"}};
  for (const Json& delivery : deliveries) {
    table.rows.push_back({cell_at(delivery, "id"),
                          status_at(delivery, "status"),
                          cell_at(delivery, "event_type"),
                          http_status(delivery),
                          {tries(delivery, view)},
                          millis_at(delivery, "duration_ms", view),
                          time_at(delivery, "created_at", view),
                          next_attempt(delivery, view),
                          {error_text(delivery)},
                          cell_at(delivery, "event_id"),
                          time_at(delivery, "completed_at", view),
                          cell_at(delivery, "webhook_id")});
  }
  return table;
}

Card delivery_card(const Json& delivery, const View& view) {
  Card card;
  card.add("id", cell_at(delivery, "id"));
  card.add("status", status_at(delivery, "status"));
  card.add("webhook_id", cell_at(delivery, "webhook_id"));
  card.add("url", cell_at(delivery, "request.url"));
  card.add("event_id", cell_at(delivery, "event_id"));
  card.add("event_type", cell_at(delivery, "event_type"));
  card.add("attempts", {tries(delivery, view)});
  card.add("response_status", http_status(delivery));
  card.add("duration", millis_at(delivery, "duration_ms", view));
  const std::string error = error_text(delivery);
  card.add("error", {error, error == "-" ? Tone::plain : Tone::bad});
  card.add("created_at", time_at(delivery, "created_at", view));
  add_if_set(card, "completed_at", time_at(delivery, "completed_at", view), view);
  add_if_set(card, "next_attempt_at", next_attempt(delivery, view), view);
  card.add("diagnosis", cell_at(delivery, "diagnosis"));
  return card;
}

Table attempt_table(const Json& detail, const View& view) {
  Table table;
  table.columns = {{"number", Align::right, Fit::fixed, Shown::always, "#"},
                   {"started_at", Align::left, Fit::fixed, Shown::always, "STARTED"},
                   {"trigger"},
                   {"response_status", Align::right, Fit::fixed, Shown::always, "HTTP"},
                   {"duration_ms", Align::right, Fit::fixed, Shown::always, "TOOK"},
                   {"dns_ms", Align::right, Fit::fixed, Shown::always, "DNS"},
                   {"connect_ms", Align::right, Fit::fixed, Shown::always, "CONNECT"},
                   {"tls_ms", Align::right, Fit::fixed, Shown::always, "TLS"},
                   {"first_byte_ms", Align::right, Fit::fixed, Shown::always, "ANSWER"},
                   {"error", Align::left, Fit::shrinks},
                   {"next_attempt_at", Align::left, Fit::fixed, kWide, "NEXT"},
                   {"remote_address", Align::left, Fit::fixed, kWide, "ADDRESS"}};
  const auto attempts = detail.find("attempts");
  if (attempts == detail.end() || !attempts->is_array()) return table;
  for (const Json& attempt : *attempts) {
    table.rows.push_back({cell_at(attempt, "number"),
                          time_at(attempt, "started_at", view),
                          cell_at(attempt, "trigger"),
                          http_status(attempt),
                          millis_at(attempt, "duration_ms", view),
                          millis_at(attempt, "timings.dns_ms", view),
                          millis_at(attempt, "timings.connect_ms", view),
                          millis_at(attempt, "timings.tls_ms", view),
                          millis_at(attempt, "timings.first_byte_ms", view),
                          {error_text(attempt)},
                          time_at(attempt, "next_attempt_at", view),
                          cell_at(attempt, "remote_address")});
  }
  return table;
}

void show_listing(Output& out, const Listing& listing, const Table& table,
                  const std::string& things, const std::string& more_hint) {
  switch (out.view().format) {
    case Format::json:
      out.json(listing.json);
      break;
    case Format::jsonl:
      for (const std::string& item : listing.raw) out.json(item);
      break;
    case Format::table:
    case Format::wide:
    case Format::tsv:
      out.show(table);
      break;
  }
  if (listing.items.empty()) {
    out.note(fmt::format("no {}", things));
  } else if (listing.more) {
    const bool known = listing.total && *listing.total > 0;
    out.note(fmt::format("{}{} {} shown; {}", listing.items.size(),
                         known ? fmt::format(" of {}", *listing.total) : "", things, more_hint));
  }
}

void show_webhook(Output& out, const Answer& answer) {
  const Json webhook = parse_object(answer);
  if (out.is_json()) {
    out.json(answer.body);
  } else {
    out.show(webhook_card(webhook, out.view()));
  }
}

}  // namespace webhookd
