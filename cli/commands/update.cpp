#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "cli/webhook_options.h"
#include "cli/webhook_ref.h"

namespace webhookd {
namespace {

struct UpdateOptions {
  std::string webhook;
  std::string url;
  WebhookOptions settings;
  std::vector<std::string> removed_headers;
  Json cleared = Json::object();  // members that become null, {} or false
};

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

void remove_header(Json& headers, const std::string& name) {
  for (auto it = headers.begin(); it != headers.end();) {
    if (lower_case(it.key()) == lower_case(name)) {
      it = headers.erase(it);
    } else {
      ++it;
    }
  }
}

// A header or a pair that is given changes; the others stay, unless all were cleared. The server
// keeps the value of what comes back as "***".
void keep_what_is_there(Context& context, const std::string& id, const UpdateOptions& options,
                        Json& body) {
  const bool headers = (body.contains("headers") || !options.removed_headers.empty()) &&
                       !options.cleared.contains("headers");
  const bool metadata = body.contains("metadata") && !options.cleared.contains("metadata");
  if (!headers && !metadata) return;
  const Json webhook =
      parse_object(context.client.call({"GET", webhook_path(id), {}, std::nullopt}));
  const auto present = [&webhook](const char* name) {
    const auto found = webhook.find(name);
    return found != webhook.end() && found->is_object() ? *found : Json::object();
  };
  if (headers) {
    Json merged = present("headers");
    for (const std::string& name : options.removed_headers) remove_header(merged, name);
    if (body.contains("headers")) {
      for (const auto& [name, value] : body["headers"].items()) {
        remove_header(merged, name);
        merged[name] = value;
      }
    }
    body["headers"] = merged;
  }
  if (metadata) {
    Json merged = present("metadata");
    merged.update(body["metadata"]);
    body["metadata"] = merged;
  }
}

Exit update(Context& context, const UpdateOptions& options) {
  Json body = options.cleared;
  if (!options.url.empty()) body["url"] = options.url;
  body.update(settings_json(options.settings, context.clock.now()));
  if (body.empty() && options.removed_headers.empty()) {
    throw usage_error("nothing to change was named", "webhookctl update --help");
  }
  show_webhook(context.out, at_webhook(context.client, options.webhook, [&](const auto& id) {
                 Json whole = body;
                 keep_what_is_there(context, id, options, whole);
                 return context.client.call({"PATCH", webhook_path(id), {}, whole.dump()});
               }));
  return Exit::done;
}

void add_clearing_options(CLI::App& command, UpdateOptions& options) {
  struct Clearing {
    const char* flags;
    const char* member;
    Json value;
    const char* help;
    const char* opposite;  // the option that contradicts it; null: none
  };
  const Clearing clearings[] = {
      {"--clear-description,--no-description", "description", nullptr, "Without a description",
       "--description"},
      {"--clear-tenant,--no-tenant", "tenant_id", nullptr, "Of no tenant in particular",
       "--tenant"},
      {"--clear-partner,--no-partner", "partner_id", nullptr, "Of no partner in particular",
       "--partner"},
      {"--clear-headers,--no-headers", "headers", Json::object(), "Without extra headers", nullptr},
      {"--clear-metadata,--no-metadata", "metadata", Json::object(), "Without metadata", nullptr},
      {"--clear-retry-schedule,--no-retry-schedule", "retry_schedule", nullptr,
       "With the server's default schedule", "--retry-schedule"},
      {"--clear-rate-limit,--no-rate-limit", "rate_limit_per_second", nullptr,
       "Without a rate limit", "--rate-limit"},
      {"--clear-expires,--no-expires", "expires_at", nullptr, "Stays until it is deleted",
       "--expires-in"},
      {"--no-ordered", "ordered", false, "In no particular order", "--ordered"}};
  for (const Clearing& clearing : clearings) {
    CLI::Option* flag = command.add_flag_callback(
        clearing.flags,
        [&options, member = std::string(clearing.member), value = clearing.value] {
          options.cleared[member] = value;
        },
        clearing.help);
    if (clearing.opposite != nullptr) flag->excludes(command.get_option(clearing.opposite));
  }
}

}  // namespace

void add_update(CommandLine& line) {
  auto options = std::make_shared<UpdateOptions>();
  CLI::App& command =
      line.add("update", "Change a webhook; only what is named changes",
               "  webhookctl update billing --event user.created,user.deleted\n"
               "  webhookctl update billing --url https://new.example.com/hook --no-rate-limit");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  command.add_option("--url", options->url, "Where deliveries are sent")->type_name("URL");
  add_webhook_options(command, options->settings);
  command
      .add_option("--remove-header", options->removed_headers,
                  "Extra header to remove, by name; repeat it")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add_clearing_options(command, *options);
  line.on_run(command, [options](Context& context) { return update(context, *options); });
}

}  // namespace webhookd
