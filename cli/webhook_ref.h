#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/client.h"

namespace webhookd {

// The id of the webhook that a person means: what has the form of our ids is taken as one, without
// asking; else the webhook with exactly that id or, failing that, that name, looked up in the
// list. Throws CliError: not_found (with the nearest name), usage when several have the name.
std::string resolve_webhook(Client& client, std::string_view id_or_name);

// The id of the webhook called `name`, where `error` is the 404 of a request that took the name for
// an id because it looks like one.
std::optional<std::string> named_like_an_id(Client& client, std::string_view name,
                                            const CliError& error);

// Runs `act` with the id of the webhook that a person means, and returns what it returns. `act`
// runs a second time when there was no such id, but such a name.
template <class Act>
auto at_webhook(Client& client, std::string_view id_or_name, Act act) {
  try {
    return act(resolve_webhook(client, id_or_name));
  } catch (const CliError& error) {
    const std::optional<std::string> id = named_like_an_id(client, id_or_name, error);
    if (!id) throw;
    return act(*id);
  }
}

// The same for commands that ask many times: a word that looks like an id is asked for once before.
std::string settled_webhook(Client& client, std::string_view id_or_name);

}  // namespace webhookd
