#pragma once

// What is sent to receivers: the envelope of an event, canonical (contract section 3).

#include <optional>
#include <string>

#include "shared/envelope.h"
#include "shared/time.h"
#include "store/store.h"

namespace webhookd {

// An event from the checked members that a caller sent, binding included. Its content is what
// was sent, before event_id and timestamp get their defaults.
NewEvent make_event(CanonicalObject sent, const Binding& binding, std::string default_event_id,
                    std::optional<Timestamp> timestamp, Timestamp now);

}  // namespace webhookd
