#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/delivery_filter.h"
#include "cli/listing.h"
#include "cli/many.h"
#include "cli/views.h"
#include "cli/webhook_ref.h"
#include "shared/url.h"

namespace webhookd {
namespace {

struct CancelOptions {
  std::string webhook;
  std::vector<std::string> deliveries;
  DeliveryFilter filter;
  std::optional<std::size_t> limit;
  bool dry_run = false;
};

Exit cancel_each(Context& context, const std::string& id, const CancelOptions& options) {
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

Exit cancel(Context& context, const CancelOptions& options) {
  check_which(options.deliveries, options.filter, options.dry_run, "cancel");
  ManyCall call;
  call.body = filter_body(options.filter, context.clock.now());
  call.limit = options.limit;
  call.changed = "cancelled";
  call.question = "Cancel {} deliveries?";
  call.again = "repeat the command for the rest";
  const std::string id = settled_webhook(context.client, options.webhook);
  if (!options.deliveries.empty()) return cancel_each(context, id, options);
  call.path = webhook_path(id, "/deliveries/cancel");
  return options.dry_run ? show_dry_run(context, call) : change_many(context, call);
}

}  // namespace

void add_cancel(CommandLine& line) {
  auto options = std::make_shared<CancelOptions>();
  CLI::App& command = line.add("cancel", "Cancel deliveries that wait",
                               "  webhookctl cancel billing 4711 4712\n"
                               "  webhookctl cancel billing --event user.deleted --dry-run");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  command.add_option("DELIVERY", options->deliveries, "Ids of deliveries; or name filters");
  add_filter_options(command, options->filter);
  add_limit(command, options->limit, "With filters: at most this many (default: all)");
  command.add_flag("--dry-run", options->dry_run, "With filters: only say how many");
  line.on_run(command, [options](Context& context) { return cancel(context, *options); });
}

}  // namespace webhookd
