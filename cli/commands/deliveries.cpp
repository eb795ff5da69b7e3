#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/delivery_filter.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "cli/webhook_ref.h"

namespace webhookd {
namespace {

struct DeliveriesOptions {
  std::string webhook;
  DeliveryFilter filter;
  std::size_t limit = 50;
  bool all = false;
};

Exit deliveries(Context& context, const DeliveriesOptions& options) {
  const Timestamp now = context.clock.now();
  ListQuery query{
      "", options.filter.query(now), options.all ? std::nullopt : std::optional(options.limit), {}};
  if (!options.filter.empty()) {
    query.keep = [&](const Json& delivery) { return options.filter.keeps(delivery, now); };
  }
  const Listing listing = at_webhook(context.client, options.webhook, [&](const std::string& id) {
    query.path = webhook_path(id, "/deliveries");
    return fetch_list(context.client, query);
  });
  show_listing(context.out, listing, delivery_table(listing.items, context.out.view()),
               "deliveries", "--limit N or --all shows more");
  return Exit::done;
}

}  // namespace

void add_deliveries(CommandLine& line) {
  auto options = std::make_shared<DeliveriesOptions>();
  CLI::App& command =
      line.add("deliveries", "List a webhook's deliveries, newest first",
               "  webhookctl deliveries billing\n"
               "  webhookctl deliveries billing --status failed --since 2h --http 5xx --all");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  add_filter_options(command, options->filter);
  add_limit(command, options->limit, "At most this many (default 50)");
  command.add_flag("--all", options->all, "All of them");
  line.on_run(command, [options](Context& context) { return deliveries(context, *options); });
}

}  // namespace webhookd
