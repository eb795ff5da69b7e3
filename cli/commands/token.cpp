#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/text.h"

namespace webhookd {
namespace {

struct TokenOptions {
  std::string role;
  std::string tenant;
  std::string partner;
  std::vector<std::string> scopes;
  std::string ttl;
};

Json token_body(const TokenOptions& options) {
  Json body = Json::object();
  if (!options.role.empty()) body["role"] = options.role;
  if (!options.tenant.empty()) body["tenant_id"] = options.tenant;
  if (!options.partner.empty()) body["partner_id"] = options.partner;
  if (!options.scopes.empty()) body["scope"] = fmt::format("{}", fmt::join(options.scopes, " "));
  if (!options.ttl.empty()) body["ttl_seconds"] = parse_seconds_of(options.ttl, "--ttl");
  return body;
}

Exit create_token(Context& context, const TokenOptions& options) {
  const Answer answer =
      context.client.call({"POST", "/api/v1/admin/tokens", {}, token_body(options).dump()});
  const Json minted = parse_object(answer);
  if (context.out.is_json()) {
    context.out.json(answer.body);
    return Exit::done;
  }
  const std::string token = text_at(minted, "token");
  if (token == "-") {
    throw CliError(Exit::internal, "the server's answer holds no token", kIsItWebhookd);
  }
  context.out.text(safe_text(token) + "\n");
  context.out.note(fmt::format("valid until {}", text_at(minted, "expires_at")));
  return Exit::done;
}

}  // namespace

void add_token(CommandLine& line) {
  CLI::App& command = line.add("token", "Make tokens for the TCP door",
                               "  webhookctl token create --role super_admin --ttl 1h");
  auto options = std::make_shared<TokenOptions>();
  CLI::App& creating =
      line.add_below(command, "create", "Make a token; only over the daemon's socket",
                     "  webhookctl token create --role super_admin --ttl 1h > token\n"
                     "  webhookctl token create --tenant tnt_7 --scope events:publish --ttl 30d");
  creating.add_option("--role", options->role, "super_admin, partner_admin or tenant_admin")
      ->check(CLI::IsMember({"super_admin", "partner_admin", "tenant_admin"}))
      ->type_name("ROLE");
  creating.add_option("--tenant", options->tenant, "Bound to this tenant")->type_name("ID");
  creating.add_option("--partner", options->partner, "Bound to this partner")->type_name("ID");
  creating
      .add_option("--scope", options->scopes,
                  "webhooks:read, webhooks:write or events:publish; repeat it")
      ->type_name("SCOPE")
      ->allow_extra_args(false);
  creating.add_option("--ttl", options->ttl, "How long it is valid")->type_name("DURATION");
  line.on_run(creating, [options](Context& context) { return create_token(context, *options); });
}

}  // namespace webhookd
