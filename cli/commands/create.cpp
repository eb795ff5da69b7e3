#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
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

// Whose webhook may be the one that --if-not-exists means, where --tenant or --partner is absent.
enum class Owner {
  none,    // one of no tenant or partner: what a super_admin would create
  likely,  // rather that one, else the only one there is: a bound token creates for its own
};

// Those webhooks that have what the option says.
void keep_owned(std::vector<Json>& webhooks, const char* member,
                const std::optional<std::string>& wanted, Owner owner) {
  const auto keep = [&](const std::string& id) {
    const auto differs = [&](const Json& webhook) { return text_at(webhook, member) != id; };
    std::erase_if(webhooks, differs);
  };
  constexpr const char* kNobody = "-";
  const auto nobodys = [&](const Json& webhook) { return text_at(webhook, member) == kNobody; };
  if (wanted) {
    keep(*wanted);
  } else if (owner == Owner::none || std::any_of(webhooks.begin(), webhooks.end(), nobodys)) {
    keep(kNobody);
  }
}

// The webhook that --if-not-exists means: the one of that name or, when none was given, of that
// URL. Throws when the name is taken by another URL, or by several webhooks.
std::optional<Json> find_existing(Context& context, const CreateOptions& options, Owner owner) {
  const auto& name = options.webhook.name;
  ListQuery query{std::string(kWebhooksPath), {}, std::nullopt, {}};
  if (name) query.query.emplace_back("name", *name);
  query.keep = [&](const Json& webhook) {
    return name ? text_at(webhook, "name") == *name : text_at(webhook, "url") == options.url;
  };
  std::vector<Json> found = fetch_list(context.client, query).items;
  keep_owned(found, "tenant_id", options.webhook.tenant, owner);
  keep_owned(found, "partner_id", options.webhook.partner, owner);
  if (found.empty()) return std::nullopt;
  if (name && found.size() > 1) {
    throw usage_error(fmt::format("{} webhooks are called {}", found.size(), *name),
                      "say whose it is with --tenant and --partner");
  }
  const Json& webhook = found.front();
  if (text_at(webhook, "url") == options.url) return webhook;
  throw CliError(
      Exit::rejected,
      fmt::format("webhook {} exists with another URL: {}", *name, text_at(webhook, "url")),
      fmt::format("change it with `webhookctl update {} --url {}`", text_at(webhook, "id"),
                  options.url));
}

// Before one is made. A webhookd refuses a name that is taken, and knows best for whom: it is asked
// to create at once. For the rest only the list tells.
std::optional<Json> find_before(Context& context, const CreateOptions& options) {
  const Answer probe =
      context.client.send({"GET", std::string(kWebhooksPath), {{"per_page", "1"}}, std::nullopt});
  if (probe.server_version.empty()) return find_existing(context, options, Owner::likely);
  if (options.webhook.name) return std::nullopt;
  return find_existing(context, options, Owner::none);
}

Exit show_existing(Context& context, const Json& webhook) {
  const Answer answer =
      context.client.call({"GET", webhook_path(text_at(webhook, "id")), {}, std::nullopt});
  show_webhook(context.out, answer);
  context.out.note("it was there already; nothing was changed, and its secret is not shown again");
  return Exit::done;
}

Exit show_created(Context& context, const Answer& answer) {
  const Json webhook = parse_object(answer);
  if (context.out.is_json()) {
    context.out.json(answer.body);
    return Exit::done;
  }
  Card card = webhook_card(webhook, context.out.view());
  const Cell secret = cell_at(webhook, "secret");
  card.add("secret", secret);
  context.out.show(card);
  if (secret.text == "-") return Exit::done;
  context.out.note(
      "keep the secret: it is shown only now, and the receiver needs it to verify signatures");
  return Exit::done;
}

Exit create(Context& context, const CreateOptions& options) {
  const std::string body = create_body(options, context.clock.now()).dump();
  if (options.if_not_exists) {
    if (const auto existing = find_before(context, options)) {
      return show_existing(context, *existing);
    }
  }
  try {
    return show_created(context,
                        context.client.call({"POST", std::string(kWebhooksPath), {}, body}));
  } catch (const CliError& error) {
    if (error.http_status != 409 || !options.if_not_exists) throw;
    const auto existing = find_existing(context, options, Owner::likely);
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
