// pause, resume and disable: the three ways to set a webhook's status.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "cli/webhook_ref.h"

namespace webhookd {
namespace {

struct StatusChange {
  const char* command;
  const char* status;
  const char* description;
};

// JSON is printed as each answer comes; a table once, over all that worked.
Exit change_status(Context& context, const std::vector<std::string>& webhooks,
                   const std::string& status) {
  std::vector<Json> changed;
  const std::string body = Json({{"status", status}}).dump();
  const Exit exit = for_each_target(context, webhooks, [&](const std::string& webhook) {
    const Answer answer = at_webhook(context.client, webhook, [&](const std::string& id) {
      return context.client.call({"PATCH", webhook_path(id), {}, body});
    });
    changed.push_back(parse_object(answer));
    if (context.out.is_json()) context.out.json(answer.body);
  });
  if (!context.out.is_json() && !changed.empty()) {
    context.out.show(webhook_table(changed, context.out.view()));
  }
  return exit;
}

}  // namespace

void add_pause(CommandLine& line) {
  constexpr StatusChange kChanges[] = {
      {"pause", "paused", "Let a webhook's deliveries wait until it is resumed"},
      {"resume", "active", "Deliver again, what waited first"},
      {"disable", "disabled", "Make no deliveries, and cancel those that wait"}};
  for (const StatusChange& change : kChanges) {
    auto webhooks = std::make_shared<std::vector<std::string>>();
    CLI::App& command = line.add(change.command, change.description,
                                 fmt::format("  webhookctl {} billing", change.command));
    command.add_option("WEBHOOK", *webhooks, "Ids or names")->required();
    line.on_run(command, [webhooks, status = std::string(change.status)](Context& context) {
      return change_status(context, *webhooks, status);
    });
  }
}

}  // namespace webhookd
