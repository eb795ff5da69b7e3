#pragma once

// Retrying and cancelling many: what matches is looked for by a reader, and changed by the writer,
// who looks again at each.

#include <cstdint>
#include <vector>

#include "store/sqlite/writer.h"

namespace webhookd {

struct FoundDeliveries {
  std::vector<DeliveryId> ids;
  std::int64_t after = 0;  // all up to here have been looked at
  bool more = false;
};

// Walks a bounded way, so that it may find fewer than the limit, or none, and still there are more.
FoundDeliveries find_batch(Connection& db, const DeliveryBatch& batch);

BatchResult change_batch(Transaction& transaction, const DeliveryBatch& batch,
                         const FoundDeliveries& found, const BatchSum& so_far,
                         const ChangeContext& context);

// Whether a caller who sees `visible_to` sees what is bound so; an empty id is that of none.
bool is_visible(const Binding& visible_to, const Binding& binding);

// Whether a webhook that is bound so may have the event.
bool may_have(const Binding& webhook, const Binding& event);

}  // namespace webhookd
