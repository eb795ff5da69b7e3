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

Cell field_cell(const std::string& name, const Json& value, const View& view) {
  const Json one = {{"value", value}};
  if (name.ends_with("_at")) return time_at(one, "value", view);
  if (name.ends_with("_bytes")) return bytes_at(one, "value", view);
  return status_at(one, "value");
}

// Whatever the daemon tells, level by level: "store.free_bytes", "loops.0.alive".
void add_fields(Card& card, const Json& fields, const std::string& prefix, const View& view) {
  for (const auto& [name, value] : fields.items()) {
    const std::string path = prefix + name;
    if (value.is_structured()) {
      add_fields(card, value, path + ".", view);
      continue;
    }
    card.add(path, field_cell(name, value, view));
  }
}

bool has_dead_loop(const Json& status) {
  const auto loops = status.find("loops");
  if (loops == status.end() || !loops->is_array()) return false;
  return std::any_of(loops->begin(), loops->end(),
                     [](const Json& loop) { return text_at(loop, "alive") == "false"; });
}

// False while it does not answer, or says that it is not ready.
bool is_ready(Context& context, std::chrono::milliseconds within) {
  try {
    return context.client.send({"GET", "/readyz", {}, std::nullopt, within}).status == 200;
  } catch (const CliError& error) {
    if (error.exit != Exit::unreachable && error.exit != Exit::timed_out) throw;
    return false;
  }
}

// Returns how long the request that follows may take.
std::chrono::milliseconds wait_until_ready(Context& context, const std::string& wait) {
  const Deadline deadline(context.clock, parse_duration_of(wait, "--wait"));
  const auto ready = [&] { return is_ready(context, deadline.for_one_request()); };
  if (poll_until(deadline, ready)) return deadline.for_one_request();
  throw CliError(Exit::timed_out, fmt::format("the daemon was not ready within {}", wait),
                 "its log says why: `journalctl -u webhookd`");
}

Exit status(Context& context, const std::string& wait) {
  Request request{"GET", "/api/v1/admin/status", {}, std::nullopt};
  if (!wait.empty()) request.within = wait_until_ready(context, wait);
  const Answer answer = context.client.call(request);
  const Json told = parse_object(answer);
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
