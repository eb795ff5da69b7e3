#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/sqlite/writer.h"
#include "store/store.h"

namespace webhookd {

// A bounded piece of these shifts; those that do not fit in are answered as they were asked. What a
// change of tenant or partner has left to be looked through keeps its times.
std::vector<ClockShiftPiece> shift_clocks(Transaction& transaction,
                                          const std::vector<ClockShift>& shifts);

// Absent unless some pieces of a shift of all that waits were made, and not the last one.
std::optional<ClockShift> unfinished_shift(Connection& db, std::int64_t seq,
                                           const WebhookId& webhook);

}  // namespace webhookd
