#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "shared/model_json.h"
#include "shared/time.h"

namespace CLI {
class App;
}

namespace webhookd {

// Which deliveries a person asks for. Sent to the server, and applied again to what it answers,
// since a server that has the reference alone knows `status` only.
struct DeliveryFilter {
  std::string status;
  std::string since;  // a duration back from now, or RFC 3339
  std::string until;
  std::string event_type;
  std::string http;  // "500", "5xx", "none"

  bool empty() const;
  // Throws CliError (usage) for a time or a status class that is none.
  Query query(Timestamp now) const;
  // A delivery that lacks the field in question is not kept.
  bool keeps(const Json& delivery, Timestamp now) const;
};

// For commands that take ids of deliveries or filters. Throws CliError (usage) unless there is one
// of the two. `command` is its name.
void check_which(const std::vector<std::string>& ids, const DeliveryFilter& filter, bool dry_run,
                 const std::string& command);

// --status, --since, --until, --event and --http.
void add_filter_options(CLI::App& command, DeliveryFilter& filter);

// "2h" is two hours before `now`. Throws CliError (usage) naming `option`.
Timestamp parse_moment(const std::string& text, Timestamp now, const std::string& option);

}  // namespace webhookd
