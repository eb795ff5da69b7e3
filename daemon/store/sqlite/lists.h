#pragma once

#include <optional>

#include "store/seal.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

namespace webhookd {

DeliveryPage list_deliveries(Connection& db, const DeliveryFilter& filter, const PageRequest& page);
std::optional<DeliveryDetail> load_detail(Connection& db, DeliveryId id);

}  // namespace webhookd
