#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/text.h"
#include "cli/webhook_ref.h"

namespace webhookd {
namespace {

struct RotateOptions {
  std::string webhook;
  std::string grace;
  std::string secret_file;
};

// Absent when nothing was asked for: a server of the reference takes no body.
std::optional<std::string> rotate_body(const RotateOptions& options) {
  Json body = Json::object();
  if (!options.grace.empty()) {
    body["grace_period_seconds"] = parse_seconds_of(options.grace, "--grace");
  }
  if (!options.secret_file.empty()) {
    body["secret"] = read_secret(options.secret_file, "signing secret");
  }
  return body.empty() ? std::nullopt : std::optional(body.dump());
}

// Null: it ended at once. Absent: the server does not tell.
void tell_of_old_secret(Output& out, const Json& rotated) {
  const auto expiry = rotated.find("previous_secret_expires_at");
  if (expiry == rotated.end()) return;
  out.note(expiry->is_null() ? "the old secret is no longer used"
                             : fmt::format("the old secret signs too until {}",
                                           text_at(rotated, "previous_secret_expires_at")));
}

Exit rotate(Context& context, const RotateOptions& options) {
  const std::optional<std::string> body = rotate_body(options);
  const Answer answer = at_webhook(context.client, options.webhook, [&](const std::string& id) {
    return context.client.call({"POST", webhook_path(id, "/rotate-secret"), {}, body});
  });
  const Json rotated = parse_object(answer);
  if (context.out.is_json()) {
    context.out.json(answer.body);
    return Exit::done;
  }
  const std::string secret = text_at(rotated, "secret");
  if (secret == "-") {
    throw CliError(Exit::internal, "the server's answer holds no secret",
                   "-o json shows what it holds; the secret may have changed all the same");
  }
  context.out.text(safe_text(secret) + "\n");
  tell_of_old_secret(context.out, rotated);
  return Exit::done;
}

}  // namespace

void add_rotate_secret(CommandLine& line) {
  auto options = std::make_shared<RotateOptions>();
  CLI::App& command = line.add("rotate-secret", "Give a webhook a new signing secret; prints it",
                               "  webhookctl rotate-secret billing --grace 1h\n"
                               "  webhookctl rotate-secret billing > billing.secret");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  command
      .add_option("--grace", options->grace,
                  "How long the old secret signs as well, 0 to 7d (default 24h)")
      ->type_name("DURATION");
  command
      .add_option("--secret-file", options->secret_file,
                  "File with a signing secret of your own; - is stdin")
      ->type_name("FILE");
  line.on_run(command, [options](Context& context) { return rotate(context, *options); });
}

}  // namespace webhookd
