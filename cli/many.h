#pragma once

// Calls to our own daemon that change many deliveries, page by page: retry, cancel and replay.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/delivery_filter.h"
#include "shared/model_json.h"

namespace webhookd {

struct ManyCall {
  std::string path;                  // of the POST
  Json body;                         // without limit, cursor and dry_run
  std::optional<std::size_t> limit;  // absent: all that match
  std::string changed;               // as the answer calls what it did: "retried"
  std::string question;              // "Retry {} deliveries of billing?", with the number put in
  std::string again;                 // how to go on when it breaks off
};

// What the filter means, as the calls' bodies have it.
Json filter_body(const DeliveryFilter& filter, Timestamp now);

// Shows what would be done, and that is all.
Exit show_dry_run(Context& context, const ManyCall& call);

// Does it and shows what was done. Where there is more than one page of it, a terminal is asked
// first. Throws CliError; `partly` when some had been done before.
Exit change_many(Context& context, const ManyCall& call);

}  // namespace webhookd
