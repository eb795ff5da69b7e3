#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "shared/event_pattern.h"

namespace webhookd {
namespace {

struct ListOptions {
  std::string status;
  std::string event_type;
  std::string name;
  std::string tenant;
  std::string partner;
  std::size_t limit = 100;
  bool all = false;
};

bool takes(const Json& webhook, const std::string& event_type) {
  const auto events = webhook.find("events");
  if (events == webhook.end() || !events->is_array()) return false;
  return std::any_of(events->begin(), events->end(), [&](const Json& pattern) {
    return pattern.is_string() && pattern_matches(pattern.get<std::string>(), event_type);
  });
}

Query query_of(const ListOptions& options) {
  Query query;
  const auto add = [&query](const char* name, const std::string& value) {
    if (!value.empty()) query.emplace_back(name, value);
  };
  add("status", options.status);
  add("event_type", options.event_type);
  add("name", options.name);
  add("tenant_id", options.tenant);
  add("partner_id", options.partner);
  return query;
}

// What the reference's servers do not filter by.
bool keeps(const ListOptions& options, const Json& webhook) {
  if (!options.status.empty() && text_at(webhook, "status") != options.status) return false;
  if (!options.name.empty() && text_at(webhook, "name") != options.name) return false;
  return options.event_type.empty() || takes(webhook, options.event_type);
}

Exit list(Context& context, const ListOptions& options) {
  ListQuery query{std::string(kWebhooksPath),
                  query_of(options),
                  options.all ? std::nullopt : std::optional(options.limit),
                  {}};
  if (!options.status.empty() || !options.name.empty() || !options.event_type.empty()) {
    query.keep = [&options](const Json& webhook) { return keeps(options, webhook); };
  }
  const Listing listing = fetch_list(context.client, query);
  show_listing(context.out, listing, webhook_table(listing.items, context.out.view()), "webhooks",
               "--all shows the rest");
  return Exit::done;
}

}  // namespace

void add_list(CommandLine& line) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& command = line.add("list", "List webhooks",
                               "  webhookctl list\n"
                               "  webhookctl list --status disabled --all -o jsonl");
  command.add_option("--status", options->status, "active, paused or disabled")
      ->check(CLI::IsMember({"active", "paused", "disabled"}))
      ->type_name("STATUS");
  command.add_option("--event", options->event_type, "Subscribed to this event type")
      ->type_name("TYPE");
  command.add_option("--name", options->name, "With exactly this name")->type_name("NAME");
  command.add_option("--tenant", options->tenant, "Of this tenant")->type_name("ID");
  command.add_option("--partner", options->partner, "Of this partner")->type_name("ID");
  add_limit(command, options->limit, "At most this many (default 100)");
  command.add_flag("--all", options->all, "All of them");
  line.on_run(command, [options](Context& context) { return list(context, *options); });
}

}  // namespace webhookd
