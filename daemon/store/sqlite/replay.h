#pragma once

// New deliveries of stored events. A reader looks for the events, by their time and not by walking
// past all that there are; the writer makes the deliveries and looks again at each event.

#include <cstdint>
#include <vector>

#include "store/sqlite/writer.h"

namespace webhookd {

struct FoundEvents {
  std::vector<std::int64_t> seqs;
  std::int64_t after = 0;    // all up to here have been looked at
  std::int64_t through = 0;  // and none above this will be
  bool more = false;
};

// Walks a bounded way, so that it may find fewer than the limit, or none, and still there are more.
FoundEvents find_events_to_replay(Connection& db, const ReplayBatch& batch);

ReplayResult replay_batch(Transaction& transaction, const ReplayBatch& batch, FoundEvents found,
                          const BatchSum& so_far, const ChangeContext& context);

}  // namespace webhookd
