#pragma once

#include <optional>

#include "store/seal.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace webhookd {

// Whether it may have to walk past many rows that it does not show.
bool is_search(const DeliveryFilter& filter, const PageRequest& page);
DeliveryPage list_deliveries(Connection& db, const DeliveryFilter& filter, const PageRequest& page);
std::optional<DeliveryDetail> load_detail(Connection& db, DeliveryId id);

}  // namespace webhookd
