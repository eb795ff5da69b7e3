#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/event_lookup.h"
#include "cli/listing.h"
#include "cli/settings.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "shared/ascii.h"

namespace webhookd {
namespace {

struct WaitOptions {
  std::string delivery;
  std::string event_id;
  std::string tenant;
  std::string partner;
  std::string timeout = "30s";
};

void check_words(const WaitOptions& options) {
  constexpr const char* kHow = "webhookctl wait 4711, or webhookctl wait --event-id evt_…";
  if (options.delivery.empty() == options.event_id.empty()) {
    throw usage_error("name a delivery or an event, and not both", kHow);
  }
  const std::string& id = options.delivery;
  if (id.size() > 18 || !std::all_of(id.begin(), id.end(), is_digit)) {
    throw usage_error(fmt::format("{} is no delivery id", id), kHow);
  }
  if (options.event_id.empty() && (!options.tenant.empty() || !options.partner.empty())) {
    throw usage_error("--tenant and --partner belong to --event-id", kHow);
  }
}

struct Looked {
  Answer answer;
  std::vector<Json> deliveries;
};

Looked look(Context& context, const WaitOptions& options, std::chrono::milliseconds within) {
  Looked looked;
  if (options.delivery.empty()) {
    const EventName name{options.event_id, options.tenant, options.partner};
    looked.answer = find_event(context.client, name, within);
    looked.deliveries = deliveries_in(parse_object(looked.answer));
  } else {
    looked.answer = context.client.call(
        {"GET", "/api/v1/admin/deliveries/" + options.delivery, {}, {}, within});
    looked.deliveries = {parse_object(looked.answer)};
  }
  return looked;
}

Exit wait(Context& context, const WaitOptions& options) {
  check_words(options);
  const Deadline deadline(context.clock, parse_duration_of(options.timeout, "--timeout"));
  // A server that is not there to begin with is told at once.
  Looked looked = look(context, options, deadline.for_one_request());
  const auto is_done = [&] {
    return std::all_of(looked.deliveries.begin(), looked.deliveries.end(), is_settled);
  };
  if (!is_done()) {
    poll_until(deadline, [&] {
      looked = look(context, options, deadline.for_one_request());
      return is_done();
    });
  }
  if (context.out.is_json()) {
    context.out.json(looked.answer.body);
  } else {
    context.out.show(delivery_table(looked.deliveries, context.out.view()));
  }
  if (auto shortfall = shortfall_of(looked.deliveries)) {
    if (shortfall->exit == Exit::timed_out) shortfall->hint = "a longer --timeout waits longer";
    throw std::move(*shortfall);
  }
  return Exit::done;
}

}  // namespace

void add_wait(CommandLine& line) {
  auto options = std::make_shared<WaitOptions>();
  CLI::App& command = line.add("wait", "Wait until a delivery, or all of an event's, are done",
                               "  webhookctl wait 4711\n"
                               "  webhookctl wait --event-id evt_42 --timeout 5m");
  command.add_option("DELIVERY", options->delivery, "Its id");
  command.add_option("--event-id", options->event_id, "All deliveries of this event")
      ->type_name("ID");
  command.add_option("--tenant", options->tenant, "Whose event it is")->type_name("ID");
  command.add_option("--partner", options->partner, "Whose event it is")->type_name("ID");
  command.add_option("--timeout", options->timeout, "How long to wait (default 30s)")
      ->type_name("DURATION");
  line.on_run(command, [options](Context& context) { return wait(context, *options); });
}

}  // namespace webhookd
