#include "shared/version.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"

namespace webhookd {
namespace {

// "-" when there is no server to ask, or none of ours.
std::string server_version(Context& context) {
  try {
    const Answer answer = context.client.call({"GET", "/api/v1/version", {}, std::nullopt});
    if (!answer.server_version.empty()) return answer.server_version;
    return text_at(parse_answer(answer), "version");
  } catch (const CliError&) {
    return "-";
  }
}

Exit version(Context& context, bool with_server) {
  const std::string server = with_server ? server_version(context) : "-";
  if (context.out.is_json()) {
    Json answer = {{"client", kVersion}};
    if (with_server) answer["server"] = server == "-" ? Json(nullptr) : Json(server);
    context.out.json(answer.dump());
    return Exit::done;
  }
  Card card;
  card.add("client", {std::string(kVersion)});
  if (with_server) card.add("server", {server});
  context.out.show(card);
  return Exit::done;
}

}  // namespace

void add_version(CommandLine& line) {
  auto with_server = std::make_shared<bool>(false);
  CLI::App& command = line.add("version", "Print the version of this program",
                               "  webhookctl version\n"
                               "  webhookctl version --server-version");
  command.add_flag("--server-version", *with_server, "The server's too, if it can be reached");
  line.on_run(
      command, [with_server](Context& context) { return version(context, *with_server); },
      Needs::nothing);
}

}  // namespace webhookd
