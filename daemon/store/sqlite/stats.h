#pragma once

#include <filesystem>
#include <optional>

#include "store/seal.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace webhookd {

// From kept numbers alone. The window ends with the span that holds `now` and begins a
// whole number of spans before that: it is up to one span (5 minutes, an hour beyond 48 hours)
// shorter than asked.
std::optional<Stats> load_stats(Connection& db, const Sealer& sealer, const WebhookId& id,
                                std::chrono::hours window, Timestamp now);

StoreStatus load_status(Connection& db, const std::filesystem::path& database);

}  // namespace webhookd
