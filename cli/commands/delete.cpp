#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands/commands.h"
#include "cli/webhook_ref.h"

namespace webhookd {
namespace {

struct DeleteOptions {
  std::vector<std::string> webhooks;
  bool ignore_missing = false;
};

// That there is no such webhook, and not that there is no such list: then the server's address is
// wrong, and nothing is known of the webhook.
bool is_missing(const CliError& error) {
  return error.exit == Exit::not_found && error.path != kWebhooksPath;
}

void delete_one(Context& context, const DeleteOptions& options, const std::string& webhook) {
  try {
    at_webhook(context.client, webhook, [&](const std::string& id) {
      return context.client.call({"DELETE", webhook_path(id), {}, std::nullopt});
    });
    context.out.note(fmt::format("deleted {}", webhook));
  } catch (const CliError& error) {
    if (!is_missing(error) || !options.ignore_missing) throw;
    context.out.note(fmt::format("{} was not there", webhook));
  }
}

}  // namespace

void add_delete(CommandLine& line) {
  auto options = std::make_shared<DeleteOptions>();
  CLI::App& command = line.add("delete", "Delete webhooks with their history",
                               "  webhookctl delete billing\n"
                               "  webhookctl delete -y --ignore-missing old-one old-two");
  command.add_option("WEBHOOK", options->webhooks, "Ids or names")->required();
  command.add_flag("--ignore-missing", options->ignore_missing,
                   "A webhook that is not there counts as deleted");
  line.on_run(command, [options](Context& context) {
    confirm(context,
            fmt::format("Delete {} and what is waiting for {}?", fmt::join(options->webhooks, ", "),
                        options->webhooks.size() == 1 ? "it" : "them"));
    return for_each_target(context, options->webhooks, [&](const std::string& webhook) {
      delete_one(context, *options, webhook);
    });
  });
}

}  // namespace webhookd
