#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "cli/webhook_options.h"

namespace webhookd {
namespace {

struct CreateOptions {
  std::string url;
  WebhookOptions webhook;
  std::string secret_file;
  bool paused = false;
  bool if_not_exists = false;
};

Json create_body(const CreateOptions& options, Timestamp now) {
  Json body = {{"url", options.url}};
  body.update(settings_json(options.webhook, now));
  if (!body.contains("events")) {
    throw usage_error("a webhook needs at least one event type",
                      "--event user.created, --event 'user.*' or, for all, --event '*'; "
                      "`webhookctl events` lists them");
  }
  if (options.paused) body["status"] = "paused";
  if (!options.secret_file.empty()) {
    body["secret"] = read_secret(options.secret_file, "signing secret");
  }
  return body;
}

bool same_owner(const Json& webhook, const WebhookOptions& options) {
  if (options.tenant && text_at(webhook, "tenant_id") != *options.tenant) return false;
  return !options.partner || text_at(webhook, "partner_id") == *options.partner;
}

// The webhook that --if-not-exists means: the one of that name or, when none was given, of that
// URL. Throws when the name is taken by another URL.
std::optional<Json> find_existing(Context& context, const CreateOptions& options) {
  ListQuery query{std::string(kWebhooksPath), {}, std::nullopt, {}};
  if (options.webhook.name) query.query.emplace_back("name", *options.webhook.name);
  const Listing listing = fetch_list(context.client, query);
  for (const Json& webhook : listing.items) {
    if (!same_owner(webhook, options.webhook)) continue;
    const bool same_url = text_at(webhook, "url") == options.url;
    if (!options.webhook.name && same_url) return webhook;
    if (!options.webhook.name || text_at(webhook, "name") != *options.webhook.name) continue;
    if (same_url) return webhook;
    throw CliError(Exit::rejected,
                   fmt::format("webhook {} exists with another URL: {}", *options.webhook.name,
                               text_at(webhook, "url")),
                   fmt::format("change it with `webhookctl update {} --url {}`",
                               text_at(webhook, "id"), options.url));
  }
  return std::nullopt;
}

Exit show_existing(Context& context, const Json& webhook) {
  const Answer answer =
      context.client.call({"GET", webhook_path(text_at(webhook, "id")), {}, std::nullopt});
  show_webhook(context.out, answer);
  context.out.note("it was there already; nothing was changed, and its secret is not shown again");
  return Exit::done;
}

Exit show_created(Context& context, const Answer& answer) {
  if (context.out.is_json()) {
    context.out.json(answer.body);
    return Exit::done;
  }
  const Json webhook = parse_answer(answer);
  Card card = webhook_card(webhook, context.out.view());
  card.add("secret", cell_at(webhook, "secret"));
  context.out.show(card);
  context.out.note(
      "keep the secret: it is shown only now, and the receiver needs it to verify signatures");
  return Exit::done;
}

Exit create(Context& context, const CreateOptions& options) {
  const std::string body = create_body(options, context.clock.now()).dump();
  if (options.if_not_exists) {
    if (const auto existing = find_existing(context, options)) {
      return show_existing(context, *existing);
    }
  }
  try {
    return show_created(context,
                        context.client.call({"POST", std::string(kWebhooksPath), {}, body}));
  } catch (const CliError& error) {
    if (error.http_status != 409 || !options.if_not_exists) throw;
    // Somebody else was faster.
    const auto existing = find_existing(context, options);
    if (!existing) throw;
    return show_existing(context, *existing);
  }
}

}  // namespace

void add_create(CommandLine& line) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App& command =
      line.add("create", "Register a webhook; prints its signing secret once",
               "  webhookctl create https://example.com/hook --event user.created\n"
               "  webhookctl create https://example.com/hook --event 'user.*' --name billing \\\n"
               "    --header-file headers.txt --retry-schedule 10s,1m,1h");
  command.add_option("URL", options->url, "Where deliveries are sent")->required();
  add_webhook_options(command, options->webhook);
  command
      .add_option("--secret-file", options->secret_file,
                  "File with a signing secret of your own; - is stdin")
      ->type_name("FILE");
  command.add_flag("--paused", options->paused, "Let deliveries wait until it is resumed");
  command.add_flag("--if-not-exists", options->if_not_exists,
                   "Succeed when a webhook of that name, or without --name of that URL, exists");
  line.on_run(command, [options](Context& context) { return create(context, *options); });
}

}  // namespace webhookd
