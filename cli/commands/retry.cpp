#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/delivery_filter.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "cli/webhook_ref.h"
#include "shared/url.h"

namespace webhookd {
namespace {

constexpr const char* kTestType = "webhook.test";

struct RetryOptions {
  std::string webhook;
  std::vector<std::string> deliveries;
  DeliveryFilter filter;
  std::size_t limit = 10'000;
  bool force = false;
  bool dry_run = false;
  std::string wait;
};

std::string delivery_path(const std::string& webhook_id, const std::string& delivery) {
  return webhook_path(webhook_id, "/deliveries/" + percent_encode(delivery));
}

// Those that the filter means; without a status the failed ones.
Listing find_deliveries(Context& context, const std::string& webhook_id,
                        const RetryOptions& options) {
  DeliveryFilter filter = options.filter;
  if (filter.status.empty()) filter.status = "failed";
  const Timestamp now = context.clock.now();
  // What somebody tried out is not what a customer misses.
  const auto keep = [&](const Json& delivery) {
    const bool wanted = !filter.event_type.empty() || text_at(delivery, "event_type") != kTestType;
    return wanted && filter.keeps(delivery, now);
  };
  return fetch_list(context.client, {webhook_path(webhook_id, "/deliveries"), filter.query(now),
                                     options.limit, keep});
}

// A server of the reference may answer with a mere message.
Json with_id(Json delivery, const std::string& id) {
  if (text_at(delivery, "id") == "-") delivery["id"] = id;
  return delivery;
}

// Asks for what is not settled, until the time is over.
void wait_for(Context& context, const std::string& webhook_id, const std::string& wait,
              std::vector<Json>& deliveries) {
  const Deadline deadline(context.clock, parse_duration_of(wait, "--wait"));
  bool asked = false;
  poll_until(deadline, [&] {
    bool settled = true;
    for (Json& delivery : deliveries) {
      if (is_settled(delivery)) continue;
      if (asked && deadline.is_over()) return false;
      asked = true;
      const std::string id = text_at(delivery, "id");
      delivery = with_id(parse_object(context.client.call({"GET",
                                                           delivery_path(webhook_id, id),
                                                           {},
                                                           std::nullopt,
                                                           deadline.for_one_request()})),
                         id);
      settled = settled && is_settled(delivery);
    }
    return settled;
  });
}

Exit retry_all(Context& context, const std::string& webhook_id, const RetryOptions& options,
               const std::vector<std::string>& ids) {
  Query query;
  if (options.force) query.emplace_back("force", "true");
  std::vector<Json> retried;
  const Exit exit = for_each_target(context, ids, [&](const std::string& id) {
    const Answer answer = context.client.call(
        {"POST", delivery_path(webhook_id, id) + "/retry", query, std::nullopt});
    retried.push_back(with_id(parse_object(answer), id));
    if (context.out.is_json()) context.out.json(answer.body);
  });
  if (!options.wait.empty()) wait_for(context, webhook_id, options.wait, retried);
  if (!context.out.is_json() && !retried.empty()) {
    context.out.show(delivery_table(retried, context.out.view()));
  }
  if (ids.size() > 1) {
    context.out.note(fmt::format("{} of {} are tried again", retried.size(), ids.size()));
  }
  if (exit != Exit::done || options.wait.empty()) return exit;
  if (auto shortfall = shortfall_of(retried)) throw std::move(*shortfall);
  return exit;
}

void check_options(const RetryOptions& options, Timestamp now) {
  if (!options.deliveries.empty() && !options.filter.empty()) {
    throw usage_error("name deliveries or filters, not both",
                      "`webhookctl deliveries` takes the same filters and shows the ids");
  }
  if (options.deliveries.empty() && options.filter.empty()) {
    throw usage_error("name the deliveries to try again",
                      "by their ids, or with --status, --since, --event or --http");
  }
  if (options.dry_run && !options.deliveries.empty()) {
    throw usage_error("--dry-run goes with filters, not with ids",
                      "`webhookctl delivery` shows what an id stands for");
  }
  if (!options.wait.empty()) parse_duration_of(options.wait, "--wait");
  options.filter.query(now);
}

Exit retry(Context& context, const RetryOptions& options) {
  check_options(options, context.clock.now());
  const std::string id = settled_webhook(context.client, options.webhook);
  if (!options.deliveries.empty()) return retry_all(context, id, options, options.deliveries);
  const Listing found = find_deliveries(context, id, options);
  if (options.dry_run || found.items.empty()) {
    show_listing(context.out, found, delivery_table(found.items, context.out.view()), "deliveries",
                 "--limit N takes more");
    if (options.dry_run) {
      context.out.note(fmt::format("{} would be tried again", found.items.size()));
    }
    return Exit::done;
  }
  std::vector<std::string> ids;
  for (const Json& delivery : found.items) ids.push_back(text_at(delivery, "id"));
  if (found.more) context.out.note("there are more: repeat the command for the rest");
  return retry_all(context, id, options, ids);
}

}  // namespace

void add_retry(CommandLine& line) {
  auto options = std::make_shared<RetryOptions>();
  CLI::App& command = line.add("retry", "Try deliveries again now",
                               "  webhookctl retry billing 4711\n"
                               "  webhookctl retry billing --status failed --since 2h --dry-run");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  command.add_option("DELIVERY", options->deliveries, "Ids of deliveries; or name filters");
  add_filter_options(command, options->filter);
  add_limit(command, options->limit, "With filters: at most this many (default 10000)");
  command.add_flag("--force", options->force, "Also those that have succeeded");
  command.add_flag("--dry-run", options->dry_run, "With filters: only show which");
  command
      .add_option("--wait", options->wait,
                  "Wait until they are done, 30s unless said: exit 7 or 8 if not")
      ->type_name("[DURATION]");
  line.on_run(command, [options](Context& context) { return retry(context, *options); });
}

}  // namespace webhookd
