#pragma once

#include <string>
#include <string_view>

#include "cli/client.h"

namespace webhookd {

// The id of the webhook that a person means: what has the form of our ids is taken as one, without
// asking; else the webhook with exactly that id or, failing that, that name, looked up in the
// list. Throws CliError: not_found (with the nearest name), usage when several have the name.
std::string resolve_webhook(Client& client, std::string_view id_or_name);

}  // namespace webhookd
