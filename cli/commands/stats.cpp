#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/text.h"
#include "cli/webhook_ref.h"

namespace webhookd {
namespace {

constexpr std::size_t kMostBars = 24;
constexpr std::int64_t kBarWidth = 40;

struct Bar {
  std::string start;
  std::int64_t succeeded = 0;
  std::int64_t failed = 0;
};

// No server counts further; the sums over a series must fit into an integer.
constexpr std::int64_t kHighestCount = 100'000'000'000;

std::int64_t count_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return 0;
  return std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, kHighestCount);
}

// Neighbouring points of the series together, so that a chart fits on a screen.
std::vector<Bar> bars_of(const Json& stats) {
  const auto series = stats.find("series");
  if (series == stats.end() || !series->is_array()) return {};
  const std::size_t each = (series->size() + kMostBars - 1) / kMostBars;
  std::vector<Bar> bars;
  std::size_t index = 0;
  for (const Json& point : *series) {
    if (index++ % each == 0) bars.push_back({text_at(point, "start"), 0, 0});
    bars.back().succeeded += count_at(point, "succeeded");
    bars.back().failed += count_at(point, "failed");
  }
  return bars;
}

std::string blocks(std::int64_t count, std::string_view block) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) text += block;
  return text;
}

// "11-23 09:00  ████████▒▒  120 ok, 12 failed". What is not zero has a block.
template <class Length>
std::string bar_line(const Bar& bar, const Length& length, const View& view) {
  const auto start = parse_rfc3339(bar.start);
  const std::string when =
      start ? format_rfc3339(*start).substr(5, 11).replace(5, 1, " ") : safe_text(bar.start);
  return fmt::format("{}  {}{}  {} ok{}\n", toned(when, Tone::faint, view),
                     toned(blocks(length(bar.succeeded), "█"), Tone::good, view),
                     toned(blocks(length(bar.failed), "▒"), Tone::bad, view), bar.succeeded,
                     bar.failed > 0 ? fmt::format(", {} failed", bar.failed) : "");
}

std::string chart(const Json& stats, const View& view) {
  const std::vector<Bar> bars = bars_of(stats);
  std::int64_t most = 0;
  for (const Bar& bar : bars) most = std::max(most, bar.succeeded + bar.failed);
  if (most <= 0) return "";
  const auto length = [most](std::int64_t count) {
    const double share = static_cast<double>(count) / static_cast<double>(most);
    const auto blocks_wanted =
        static_cast<std::int64_t>(std::lround(share * static_cast<double>(kBarWidth)));
    return count > 0 ? std::max<std::int64_t>(1, blocks_wanted) : 0;
  };
  std::string out = "\n";
  const auto is_busy = [](const Bar& bar) { return bar.succeeded + bar.failed > 0; };
  // What was before the first one tells nothing.
  auto bar = std::find_if(bars.begin(), bars.end(), is_busy);
  for (; bar != bars.end(); ++bar) out += bar_line(*bar, length, view);
  return out;
}

std::string percentage(const Json& stats, const View& view) {
  const auto rate = stats.find("success_rate");
  if (rate == stats.end() || !rate->is_number() || view.format == Format::tsv) {
    return text_at(stats, "success_rate");
  }
  return fmt::format("{:.2f} %", rate->get<double>() * 100);
}

std::string codes_text(const Json& stats) {
  const auto codes = stats.find("status_codes");
  if (codes == stats.end() || !codes->is_object() || codes->empty()) return "-";
  std::string text;
  for (const auto& [code, count] : codes->items()) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", code, count.dump());
  }
  return text;
}

// What keeps a backlog from being sent; a person sees only what there is.
void add_why_it_waits(const Json& stats, const View& view, Card& card) {
  const auto add = [&](const char* name, const Cell& cell) {
    if (cell.text != "-" || view.format != Format::table) card.add(name, cell);
  };
  add("backlog", cell_at(stats, "backlog"));
  add("circuit", cell_at(stats, "circuit.state"));
  add("next_probe_at", time_at(stats, "circuit.next_probe_at", view));
  add("hold_reason", cell_at(stats, "hold_reason", Tone::bad));
  add("held_until", time_at(stats, "held_until", view));
  add("head_delivery_id", cell_at(stats, "head_delivery_id"));
}

Card stats_card(const Json& stats, const View& view) {
  Card card;
  for (const char* name : {"webhook_id", "window", "total", "succeeded", "failed", "pending",
                           "in_flight", "attempts"}) {
    card.add(name, cell_at(stats, name));
  }
  card.add("success_rate", {percentage(stats, view)});
  for (const char* name : {"avg", "p50", "p95", "p99"}) {
    card.add(fmt::format("latency_{}", name),
             millis_at(stats, fmt::format("latency_ms.{}", name), view));
  }
  card.add("status_codes", {codes_text(stats)});
  card.add("consecutive_failures", cell_at(stats, "consecutive_failures"));
  for (const char* name : {"last_success_at", "last_failure_at", "oldest_pending_at"}) {
    card.add(name, time_at(stats, name, view));
  }
  add_why_it_waits(stats, view, card);
  return card;
}

Exit stats(Context& context, const std::string& webhook, const std::string& window) {
  Query query;
  if (!window.empty()) query.emplace_back("window", window);
  const Answer answer = at_webhook(context.client, webhook, [&](const std::string& id) {
    return context.client.call({"GET", webhook_path(id, "/stats"), query, std::nullopt});
  });
  const Json numbers = parse_object(answer);
  if (context.out.is_json()) {
    context.out.json(answer.body);
    return Exit::done;
  }
  const View view = context.out.view();
  context.out.show(stats_card(numbers, view));
  if (view.format != Format::tsv) context.out.text(chart(numbers, view));
  return Exit::done;
}

}  // namespace

void add_stats(CommandLine& line) {
  auto webhook = std::make_shared<std::string>();
  auto window = std::make_shared<std::string>();
  CLI::App& command = line.add("stats", "Show how a webhook's deliveries went",
                               "  webhookctl stats billing --window 7d");
  command.add_option("WEBHOOK", *webhook, "Its id or name")->required();
  command.add_option("--window", *window, "1h, 24h, 7d or 30d (default 24h)")
      ->check(CLI::IsMember({"1h", "24h", "7d", "30d"}))
      ->type_name("WINDOW");
  line.on_run(command,
              [webhook, window](Context& context) { return stats(context, *webhook, *window); });
}

}  // namespace webhookd
