#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "cli/errors.h"
#include "shared/model_json.h"
#include "shared/time.h"

namespace webhookd {

// Calls `done` now and then, ever less often, until it says true or the time is over.
// True: it did.
bool poll_until(const Clock& clock, std::chrono::milliseconds within,
                const std::function<bool()>& done);

// What deliveries have come to: `done` when all succeeded, `delivery_failed` when one failed or was
// cancelled, `timed_out` while one still waits.
Exit outcome_of(const std::vector<Json>& deliveries);

// Neither pending nor in flight.
bool is_settled(const Json& delivery);

}  // namespace webhookd
