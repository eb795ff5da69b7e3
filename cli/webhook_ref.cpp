#include "cli/webhook_ref.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/listing.h"
#include "cli/output.h"
#include "shared/event_pattern.h"
#include "shared/ids.h"

namespace webhookd {
namespace {

constexpr std::size_t kNamesToCompare = 500;

struct Matches {
  std::vector<std::string> by_id;
  std::vector<std::string> by_name;
  std::vector<std::string> names;
};

Matches look_up(Client& client, std::string_view wanted, const Query& query,
                std::optional<std::size_t> limit) {
  const Listing listing =
      fetch_list(client, {std::string(kWebhooksPath), query, limit, /*keep=*/{}});
  Matches matches;
  for (const Json& webhook : listing.items) {
    const std::string id = text_at(webhook, "id");
    const std::string name = text_at(webhook, "name");
    if (id == wanted) matches.by_id.push_back(id);
    if (name == wanted) matches.by_name.push_back(id);
    matches.names.push_back(name);
  }
  return matches;
}

CliError ambiguous(std::string_view name, const std::vector<std::string>& ids) {
  return usage_error(
      fmt::format("{} webhooks are called {}: {}", ids.size(), name, fmt::join(ids, ", ")),
      "name the one you mean by its id");
}

}  // namespace

std::string resolve_webhook(Client& client, std::string_view id_or_name) {
  if (id_or_name.empty()) {
    throw usage_error("the webhook's id or name is empty", "`webhookctl list` shows both");
  }
  if (is_webhook_id(id_or_name)) return std::string(id_or_name);
  // A server that knows the filter answers with one page; one that does not with all.
  Matches matches = look_up(client, id_or_name, {{"name", std::string(id_or_name)}}, std::nullopt);
  if (!matches.by_id.empty()) return matches.by_id.front();
  if (matches.by_name.size() > 1) throw ambiguous(id_or_name, matches.by_name);
  if (matches.by_name.size() == 1) return matches.by_name.front();
  // Ids of another form on a server that filters by name; and names for a hint.
  matches = look_up(client, id_or_name, {}, kNamesToCompare);
  if (!matches.by_id.empty()) return matches.by_id.front();
  const auto near = nearest(id_or_name, matches.names);
  throw CliError(Exit::not_found, fmt::format("there is no webhook {}", id_or_name),
                 near ? fmt::format("did you mean {}?", *near)
                      : "`webhookctl list` shows the webhooks that you may see");
}

std::optional<std::string> named_like_an_id(Client& client, std::string_view name,
                                            const CliError& error) {
  if (error.http_status != 404 || !is_webhook_id(name)) return std::nullopt;
  const Matches matches = look_up(client, name, {{"name", std::string(name)}}, std::nullopt);
  if (matches.by_name.size() > 1) throw ambiguous(name, matches.by_name);
  if (matches.by_name.empty()) return std::nullopt;
  return matches.by_name.front();
}

std::string settled_webhook(Client& client, std::string_view id_or_name) {
  return at_webhook(client, id_or_name, [&](const std::string& id) {
    if (id != id_or_name || !is_webhook_id(id)) return id;
    const Answer answer = client.send({"GET", webhook_path(id), {}, std::nullopt});
    // Anything else says nothing about it: a token may be for writing alone.
    if (answer.status == 404) {
      throw api_failure(answer.status, answer.body, answer.request_id, webhook_path(id));
    }
    return id;
  });
}

}  // namespace webhookd
