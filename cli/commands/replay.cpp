#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/many.h"
#include "cli/webhook_ref.h"
#include "shared/ids.h"

namespace webhookd {
namespace {

struct ReplayOptions {
  std::string webhook;
  std::string since;
  std::string until;
  std::string event_type;
  bool missed_only = false;
  bool dry_run = false;
  std::optional<std::size_t> limit;
  std::string replay_id;
};

// As a shell reads it back.
std::string quoted(const std::string& word) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

Json replay_body(const ReplayOptions& options, const std::string& replay_id, Timestamp now) {
  Json body = {{"since", format_rfc3339(parse_moment(options.since, now, "--since"))}};
  if (!options.until.empty()) {
    body["until"] = format_rfc3339(parse_moment(options.until, now, "--until"));
  }
  if (!options.event_type.empty()) body["event_type"] = options.event_type;
  if (options.missed_only) body["missed_only"] = true;
  body["replay_id"] = replay_id;
  return body;
}

// The same once more, whenever that is: with times that do not move, and the same id.
std::string repeated(const ReplayOptions& options, const Json& body) {
  const auto text = [&body](const char* name) { return quoted(body.at(name).get<std::string>()); };
  std::string line =
      fmt::format("webhookctl replay {} --since {}", quoted(options.webhook), text("since"));
  if (body.contains("until")) line += " --until " + text("until");
  if (body.contains("event_type")) line += " --event " + text("event_type");
  if (options.missed_only) line += " --missed-only";
  if (options.limit) line += fmt::format(" --limit {}", *options.limit);
  return line + " --replay-id " + text("replay_id");
}

std::string new_replay_id(Context& context) {
  // A ULID as event ids have it.
  const std::string id = new_event_id(context.clock.now(), context.random);
  return "replay" + id.substr(id.find('_'));
}

Exit replay(Context& context, const ReplayOptions& options) {
  const bool made_here = options.replay_id.empty();
  const std::string replay_id = made_here ? new_replay_id(context) : options.replay_id;
  ManyCall call;
  call.body = replay_body(options, replay_id, context.clock.now());
  call.limit = options.limit;
  call.changed = "created";
  call.question = "Make {} new deliveries?";
  call.path = webhook_path(settled_webhook(context.client, options.webhook), "/replay");
  if (options.dry_run) {
    if (made_here) call.body.erase("replay_id");
    return show_dry_run(context, call);
  }
  const std::string again = repeated(options, call.body);
  call.again = fmt::format("`{}` goes on and repeats nothing", again);
  context.out.note(fmt::format("replay id {}; should this break off, go on with", replay_id));
  context.out.note("  " + again);
  return change_many(context, call);
}

}  // namespace

void add_replay(CommandLine& line) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App& command = line.add("replay", "Deliver stored events anew, missed ones too",
                               "  webhookctl replay billing --since 6h --missed-only --dry-run\n"
                               "  webhookctl replay billing --since 2026-11-23T09:00:00Z --until "
                               "2026-11-23T12:00:00Z");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  command.add_option("--since", options->since, "Events accepted at or after: 2h ago, or a time")
      ->type_name("TIME")
      ->required();
  command.add_option("--until", options->until, "Accepted before: 30m ago, or a time")
      ->type_name("TIME");
  command.add_option("--event", options->event_type, "Of this event type")->type_name("TYPE");
  command.add_flag("--missed-only", options->missed_only,
                   "Only events of which it has no delivery, or cancelled ones only");
  command.add_flag("--dry-run", options->dry_run, "Only say how many would be made");
  add_limit(command, options->limit, "At most this many (default: all)");
  command
      .add_option("--replay-id", options->replay_id,
                  "Go on with a replay: under one id no event is delivered twice")
      ->type_name("ID");
  line.on_run(command, [options](Context& context) { return replay(context, *options); });
}

}  // namespace webhookd
