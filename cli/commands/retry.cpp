#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/delivery_filter.h"
#include "cli/listing.h"
#include "cli/many.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "cli/webhook_ref.h"
#include "shared/url.h"

namespace webhookd {
namespace {

constexpr const char* kTestType = "webhook.test";
constexpr std::size_t kMostListed = 10'000;

struct RetryOptions {
  std::string webhook;
  std::vector<std::string> deliveries;
  DeliveryFilter filter;
  std::optional<std::size_t> limit;
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
                                     options.limit.value_or(kMostListed), keep});
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

// A conflict says that this one is in flight, or has succeeded since it was listed.
bool is_conflict(const CliError& error) { return error.http_status == 409; }

struct EachRetry {
  std::vector<Json> retried;
  std::size_t skipped = 0;
  Exit exit = Exit::done;
};

EachRetry retry_each(Context& context, const std::string& webhook_id, const RetryOptions& options,
                     const std::vector<std::string>& ids) {
  Query query;
  if (options.force) query.emplace_back("force", "true");
  const bool by_filter = options.deliveries.empty();
  EachRetry each;
  std::optional<CliError> conflict;
  each.exit = for_each_target(context, ids, [&](const std::string& id) {
    try {
      const Answer answer = context.client.call(
          {"POST", delivery_path(webhook_id, id) + "/retry", query, std::nullopt});
      each.retried.push_back(with_id(parse_object(answer), id));
      if (context.out.is_json()) context.out.json(answer.body);
    } catch (const CliError& error) {
      if (!by_filter || !is_conflict(error)) throw;
      ++each.skipped;
      conflict = error;
    }
    context.out.progress(fmt::format("{} of {} retried", each.retried.size(), ids.size()));
  });
  context.out.progress("");
  // Then it was none of them, but the webhook.
  if (conflict && each.skipped == ids.size()) throw std::move(*conflict);
  return each;
}

Exit retry_all(Context& context, const std::string& webhook_id, const RetryOptions& options,
               const std::vector<std::string>& ids) {
  EachRetry each = retry_each(context, webhook_id, options, ids);
  if (!options.wait.empty()) wait_for(context, webhook_id, options.wait, each.retried);
  if (!context.out.is_json() && !each.retried.empty()) {
    context.out.show(delivery_table(each.retried, context.out.view()));
  }
  if (ids.size() > 1) {
    context.out.note(fmt::format("{} of {} are tried again", each.retried.size(), ids.size()));
  }
  if (each.exit != Exit::done || options.wait.empty()) return each.exit;
  if (auto shortfall = shortfall_of(each.retried)) throw std::move(*shortfall);
  return each.exit;
}

// One by one, with the reference's endpoints alone.
Exit retry_listed(Context& context, const std::string& id, const RetryOptions& options) {
  const Listing found = find_deliveries(context, id, options);
  if (options.dry_run || found.items.empty()) {
    show_listing(context.out, found, delivery_table(found.items, context.out.view()), "deliveries",
                 "--limit N takes more");
    if (options.dry_run) {
      context.out.note(fmt::format("{} would be tried again", found.items.size()));
    }
    return Exit::done;
  }
  // Oldest first, so that the receiver gets them in their order.
  std::vector<std::string> ids;
  for (const Json& delivery : found.items) {
    ids.insert(ids.begin(), text_at(delivery, "id"));
  }
  if (found.more) context.out.note("there are more: repeat the command for the rest");
  return retry_all(context, id, options, ids);
}

bool is_webhookd(Context& context, const std::string& id) {
  return !context.client.send({"GET", webhook_path(id), {}, std::nullopt}).server_version.empty();
}

Exit retry(Context& context, const RetryOptions& options) {
  check_which(options.deliveries, options.filter, options.dry_run, "retry");
  if (!options.wait.empty()) parse_duration_of(options.wait, "--wait");
  ManyCall call;
  call.body = filter_body(options.filter, context.clock.now());
  call.limit = options.limit;
  call.changed = "retried";
  call.question = "Retry {} deliveries?";
  call.again = "repeat the command for the rest";
  const std::string id = settled_webhook(context.client, options.webhook);
  if (!options.deliveries.empty()) return retry_all(context, id, options, options.deliveries);
  // Many at once tells no ids to wait for, and forces nothing.
  const bool needs_ids = options.force || !options.wait.empty();
  if (needs_ids || !is_webhookd(context, id)) return retry_listed(context, id, options);
  call.path = webhook_path(id, "/deliveries/retry");
  return options.dry_run ? show_dry_run(context, call) : change_many(context, call);
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
  add_limit(command, options->limit, "With filters: at most this many (default: all)");
  command.add_flag("--force", options->force, "Also those that have succeeded");
  command.add_flag("--dry-run", options->dry_run, "With filters: only say how many");
  command
      .add_option("--wait", options->wait,
                  "Wait until they are done, 30s unless said: exit 7 or 8 if not")
      ->type_name("[DURATION]");
  line.on_run(command, [options](Context& context) { return retry(context, *options); });
}

}  // namespace webhookd
