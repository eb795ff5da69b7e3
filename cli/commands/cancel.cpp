#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "cli/webhook_ref.h"
#include "shared/url.h"

namespace webhookd {
namespace {

struct CancelOptions {
  std::string webhook;
  std::vector<std::string> deliveries;
};

Exit cancel(Context& context, const CancelOptions& options) {
  const std::string id = settled_webhook(context.client, options.webhook);
  std::vector<Json> cancelled;
  const Exit exit = for_each_target(context, options.deliveries, [&](const std::string& delivery) {
    const std::string path =
        webhook_path(id, "/deliveries/" + percent_encode(delivery) + "/cancel");
    const Answer answer = context.client.call({"POST", path, {}, std::nullopt});
    cancelled.push_back(parse_object(answer));
    if (context.out.is_json()) context.out.json(answer.body);
  });
  if (!context.out.is_json() && !cancelled.empty()) {
    context.out.show(delivery_table(cancelled, context.out.view()));
  }
  return exit;
}

}  // namespace

void add_cancel(CommandLine& line) {
  auto options = std::make_shared<CancelOptions>();
  CLI::App& command =
      line.add("cancel", "Cancel deliveries that wait", "  webhookctl cancel billing 4711 4712");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  command.add_option("DELIVERY", options->deliveries, "Ids of deliveries")->required();
  line.on_run(command, [options](Context& context) { return cancel(context, *options); });
}

}  // namespace webhookd
