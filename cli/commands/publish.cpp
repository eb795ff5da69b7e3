#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/commands/publish_batch.h"
#include "cli/data_source.h"
#include "cli/event_lookup.h"
#include "cli/listing.h"
#include "cli/text.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "shared/ids.h"

namespace webhookd {
namespace {

struct PublishOptions {
  std::string event_type;
  std::string data;
  std::string id;
  std::string tenant;
  std::string partner;
  std::string timestamp;
  std::string resource;  // "type:id"
  std::string actor;     // "id:type"
  std::string batch;
  std::string wait;
};

// What an event of a batch has in its own line.
void refuse_beside_batch(const PublishOptions& options) {
  const std::pair<const char*, const std::string&> others[] = {{"TYPE", options.event_type},
                                                               {"--data", options.data},
                                                               {"--id", options.id},
                                                               {"--tenant", options.tenant},
                                                               {"--partner", options.partner},
                                                               {"--timestamp", options.timestamp},
                                                               {"--resource", options.resource},
                                                               {"--actor", options.actor}};
  for (const auto& [name, value] : others) {
    if (value.empty()) continue;
    throw usage_error(fmt::format("{} and --batch exclude each other", name),
                      "each line of the batch is an event with members of its own");
  }
}

void require_type_and_data(const PublishOptions& options) {
  if (!options.event_type.empty() && !options.data.empty()) return;
  throw usage_error(fmt::format("{} is required", options.event_type.empty() ? "TYPE" : "--data"),
                    "webhookctl publish user.created --data @user.json, or --batch FILE");
}

std::pair<std::string, std::string> parted(const std::string& text, const std::string& option,
                                           const std::string& form) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    throw usage_error(fmt::format("{}: cannot read {}", option, text), "write it as " + form);
  }
  return {text.substr(0, colon), text.substr(colon + 1)};
}

// The data goes in as it was written: a DOM would lose digits.
std::string publish_body(const PublishOptions& options, const std::string& event_id) {
  Json head = {{"event_type", options.event_type}, {"event_id", event_id}};
  if (!options.timestamp.empty()) head["timestamp"] = options.timestamp;
  if (!options.tenant.empty()) head["tenant_id"] = options.tenant;
  if (!options.partner.empty()) head["partner_id"] = options.partner;
  if (!options.resource.empty()) {
    const auto [type, id] = parted(options.resource, "--resource", "type:id");
    head["resource"] = {{"type", type}, {"id", id}};
  }
  if (!options.actor.empty()) {
    const auto [id, type] = parted(options.actor, "--actor", "id:type");
    head["actor"] = {{"id", id}, {"type", type}};
  }
  std::string text = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.back() = ',';
  return text + fmt::format("\"data\":{}}}", read_json_object(options.data, "--data"));
}

// Without an answer, or with a 5xx, nobody knows whether the event was taken. The same id makes a
// second try harmless.
Answer send(Context& context, const std::string& body, const std::string& event_id) {
  try {
    Answer answer = context.client.call({"POST", "/api/v1/events", {}, body});
    if (text_at(parse_object(answer), "event_id") == "-") {
      throw CliError(Exit::internal, "the server's answer holds no event id", kIsItWebhookd);
    }
    return answer;
  } catch (CliError& error) {
    const bool unknown = error.http_status == 0 || error.http_status >= 500;
    if (!unknown || error.exit == Exit::usage || error.exit == Exit::denied) throw;
    error.hint += fmt::format("{}repeat it with --id {}, so that it is published once at most",
                              error.hint.empty() ? "" : "; ", event_id);
    throw;
  }
}

void note_nobody(Context& context, const Json& event) {
  context.out.note(fmt::format(
      "no active webhook takes this event; `webhookctl list --event {}` shows who would",
      text_at(event, "event_type")));
}

void show_published(Context& context, const Answer& answer) {
  const Json accepted = parse_answer(answer);
  Card card;
  for (const char* name : {"event_id", "event_type", "deliveries", "duplicate"}) {
    card.add(name, cell_at(accepted, name));
  }
  context.out.show(card);
  if (text_at(accepted, "deliveries") == "0") note_nobody(context, accepted);
}

// Asks for the event until none of its deliveries waits.
Exit wait_for_deliveries(Context& context, const PublishOptions& options,
                         const std::string& event_id, const Deadline& deadline) {
  const EventName name{event_id, options.tenant, options.partner};
  Answer answer;
  std::vector<Json> deliveries;
  // The event is stored whatever becomes of the waiting: who publishes anew would do it twice.
  try {
    poll_until(deadline, [&] {
      answer = find_event(context.client, name, deadline.for_one_request());
      deliveries = deliveries_in(parse_object(answer));
      return std::all_of(deliveries.begin(), deliveries.end(), is_settled);
    });
  } catch (CliError& error) {
    error.hint = fmt::format("{} is published; only waiting for it failed{}{}", event_id,
                             error.hint.empty() ? "" : ": ", error.hint);
    throw;
  }
  if (context.out.is_json()) {
    context.out.json(answer.body);
  } else {
    context.out.show(delivery_table(deliveries, context.out.view()));
  }
  if (deliveries.empty()) note_nobody(context, parse_object(answer));
  if (auto shortfall = shortfall_of(deliveries)) throw std::move(*shortfall);
  return Exit::done;
}

Exit publish(Context& context, const PublishOptions& options) {
  if (!options.batch.empty()) {
    refuse_beside_batch(options);
    return publish_batch(context, {options.batch, options.wait});
  }
  require_type_and_data(options);
  const std::string event_id =
      options.id.empty() ? new_event_id(context.clock.now(), context.random) : options.id;
  const std::string body = publish_body(options, event_id);
  const auto within = options.wait.empty() ? std::chrono::milliseconds(0)
                                           : parse_duration_of(options.wait, "--wait");
  const Answer answer = send(context, body, event_id);
  if (!options.wait.empty()) {
    context.out.note(fmt::format("published {}", event_id));
    return wait_for_deliveries(context, options, event_id, Deadline(context.clock, within));
  }
  if (context.out.is_json()) {
    context.out.json(answer.body);
  } else {
    show_published(context, answer);
  }
  return Exit::done;
}

}  // namespace

void add_publish(CommandLine& line) {
  auto options = std::make_shared<PublishOptions>();
  CLI::App& command = line.add("publish", "Publish an event, or many",
                               "  webhookctl publish user.created --data '{\"id\": \"usr_7\"}'\n"
                               "  webhookctl publish user.created --data @user.json --wait 10s\n"
                               "  webhookctl publish --batch events.ndjson");
  command.add_option("TYPE", options->event_type, "Event type");
  command.add_option("--data", options->data, "What happened, an object: @FILE, - or JSON")
      ->type_name("JSON");
  command.add_option("--id", options->id, "Event id; the same id is published once at most")
      ->type_name("ID");
  command.add_option("--tenant", options->tenant, "Whose event it is")->type_name("ID");
  command.add_option("--partner", options->partner, "Whose event it is")->type_name("ID");
  command.add_option("--timestamp", options->timestamp, "When it happened, RFC 3339")
      ->type_name("TIME");
  command.add_option("--resource", options->resource, "What it is about")->type_name("TYPE:ID");
  command.add_option("--actor", options->actor, "Who did it")->type_name("ID:TYPE");
  command
      .add_option("--batch", options->batch,
                  "NDJSON, one event a line as the API takes it; - is stdin")
      ->type_name("FILE");
  command
      .add_option("--wait", options->wait,
                  "Wait until its deliveries are done, 30s unless said: exit 7 or 8 if not")
      ->type_name("[DURATION]");
  line.on_run(command, [options](Context& context) { return publish(context, *options); });
}

}  // namespace webhookd
