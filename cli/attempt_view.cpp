// Finished attempts, one by one as they come.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/text.h"
#include "cli/views.h"

namespace webhookd {
namespace {

constexpr int kGap = 2;
constexpr int kLeastOfLast = 12;

struct Part {
  Cell cell;
  int width = 0;
  Align align = Align::left;
};

// "09:00:00": of a stream the day is known.
std::string time_of_day(const Json& attempt) {
  const auto time = parse_rfc3339(text_at(attempt, "started_at"));
  return time ? format_rfc3339(*time).substr(11, 8) : "-";
}

std::string what_happened(const Json& attempt, const View& view) {
  std::string text = text_at(attempt, "error.message");
  if (text == "-") return "";
  const auto next = parse_rfc3339(text_at(attempt, "next_attempt_at"));
  if (!next) return text;
  if (*next <= view.now) return "again at once: " + text;
  return fmt::format("again in {}: {}", format_duration(*next - view.now), text);
}

std::string padded_part(const Part& part, const View& view) {
  const std::string safe = shortened(safe_text(part.cell.text), part.width);
  const std::string blanks(static_cast<std::size_t>(std::max(part.width - display_width(safe), 0)),
                           ' ');
  const std::string shown = toned(safe, part.cell.tone, view);
  return part.align == Align::right ? blanks + shown : shown + blanks;
}

}  // namespace

Table finished_attempt_table(const Json& attempt) {
  Table table;
  std::vector<Cell> row;
  for (const char* name :
       {"id", "delivery_id", "webhook_id", "event_id", "event_type", "number", "max_attempts",
        "trigger", "started_at", "duration_ms", "response_status", "error.kind", "error.message",
        "next_attempt_at", "status"}) {
    std::string title = name;
    std::replace(title.begin(), title.end(), '.', '_');
    table.columns.push_back({title});
    row.push_back(cell_at(attempt, name));
  }
  table.rows.push_back(std::move(row));
  return table;
}

std::string live_attempt_line(const Json& attempt, bool with_webhook, const View& view) {
  const std::string tries =
      fmt::format("{}/{}", text_at(attempt, "number"), text_at(attempt, "max_attempts"));
  std::vector<Part> parts{{{time_of_day(attempt), Tone::faint}, 8},
                          {status_at(attempt, "status"), 9},
                          {cell_at(attempt, "response_status"), 3, Align::right},
                          {millis_at(attempt, "duration_ms", view), 7, Align::right},
                          {{tries}, 5, Align::right},
                          {cell_at(attempt, "delivery_id"), 8, Align::right},
                          {cell_at(attempt, "event_type"), 24}};
  if (with_webhook) parts.push_back({cell_at(attempt, "webhook_id"), 20});
  std::string line;
  int used = 0;
  for (const Part& part : parts) {
    if (view.width > 0 && used + part.width > view.width) break;
    line += padded_part(part, view) + std::string(kGap, ' ');
    used += part.width + kGap;
  }
  const std::string why = safe_text(what_happened(attempt, view));
  if (view.width == 0) {
    line += why;
  } else if (view.width - used >= kLeastOfLast) {
    line += shortened(why, view.width - used);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace webhookd
