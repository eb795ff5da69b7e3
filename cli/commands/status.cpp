#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/waiting.h"

namespace webhookd {
namespace {

bool is_time(const std::string& name) { return name.ends_with("_at"); }

// Whatever the daemon tells, level by level: "store.free_bytes", "loops.0.alive".
void add_fields(Card& card, const Json& fields, const std::string& prefix, const View& view) {
  for (const auto& [name, value] : fields.items()) {
    const std::string path = prefix + name;
    if (value.is_structured()) {
      add_fields(card, value, path + ".", view);
      continue;
    }
    const Json one = {{"value", value}};
    card.add(path, is_time(name) ? time_at(one, "value", view) : status_at(one, "value"));
  }
}

bool has_dead_loop(const Json& status) {
  const auto loops = status.find("loops");
  if (loops == status.end() || !loops->is_array()) return false;
  return std::any_of(loops->begin(), loops->end(),
                     [](const Json& loop) { return text_at(loop, "alive") == "false"; });
}

// False while it does not answer, or says that it is not ready.
bool is_ready(Context& context) {
  try {
    return context.client.send({"GET", "/readyz", {}, std::nullopt}).status == 200;
  } catch (const CliError& error) {
    if (error.exit != Exit::unreachable && error.exit != Exit::timed_out) throw;
    return false;
  }
}

void wait_until_ready(Context& context, const std::string& wait) {
  const auto within = parse_duration_of(wait, "--wait");
  if (poll_until(context.clock, within, [&context] { return is_ready(context); })) return;
  throw CliError(Exit::timed_out, fmt::format("the daemon was not ready within {}", wait),
                 "its log says why: `journalctl -u webhookd`");
}

Exit status(Context& context, const std::string& wait) {
  if (!wait.empty()) wait_until_ready(context, wait);
  const Answer answer = context.client.call({"GET", "/api/v1/admin/status", {}, std::nullopt});
  const Json told = parse_answer(answer);
  if (context.out.is_json()) {
    context.out.json(answer.body);
  } else {
    Card card;
    add_fields(card, told, "", context.out.view());
    context.out.show(card);
  }
  if (!has_dead_loop(told)) return Exit::done;
  throw CliError(Exit::internal, "a delivery loop of the daemon has stopped",
                 "restart it: `systemctl restart webhookd`; its log says why");
}

}  // namespace

void add_status(CommandLine& line) {
  auto wait = std::make_shared<std::string>();
  CLI::App& command = line.add("status", "Show how the daemon is",
                               "  webhookctl status\n"
                               "  webhookctl status --wait 30s");
  command.add_option("--wait", *wait, "Wait until it is ready, 30s unless said: exit 8 if not")
      ->type_name("[DURATION]");
  line.on_run(command, [wait](Context& context) { return status(context, *wait); });
}

}  // namespace webhookd
