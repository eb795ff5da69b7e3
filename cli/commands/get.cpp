#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands/commands.h"
#include "cli/views.h"
#include "cli/webhook_ref.h"

namespace webhookd {

void add_get(CommandLine& line) {
  auto webhook = std::make_shared<std::string>();
  CLI::App& command = line.add("get", "Show one webhook",
                               "  webhookctl get billing\n"
                               "  webhookctl get whk_8mQ2vXb1TzR4LkPe -o json");
  command.add_option("WEBHOOK", *webhook, "Its id or name")->required();
  line.on_run(command, [webhook](Context& context) {
    show_webhook(context.out, at_webhook(context.client, *webhook, [&](const std::string& id) {
                   return context.client.call({"GET", webhook_path(id), {}, std::nullopt});
                 }));
    return Exit::done;
  });
}

}  // namespace webhookd
