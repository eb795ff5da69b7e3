#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/client.h"
#include "shared/model_json.h"

namespace webhookd {

// An event's id and whose it is. Empty: not named.
struct EventName {
  std::string event_id;
  std::string tenant_id;
  std::string partner_id;
};

// Asks for the event and its deliveries. Where others have the same id, the one without a tenant or
// partner is meant if none was named. Throws CliError as Client::call does.
Answer find_event(Client& client, const EventName& name, std::chrono::milliseconds within);

// Of an event that was asked for.
std::vector<Json> deliveries_in(const Json& event);

}  // namespace webhookd
