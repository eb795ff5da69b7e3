#pragma once

// What the daemon itself publishes about a webhook, for every implementation of the store: only
// inside its transaction is it known whether there is something to tell.

#include "store/store.h"

namespace webhookd {

// `webhook` as it is once it is disabled.
NewEvent disabled_event(const Webhook& webhook, const Disabling& disabling, Timestamp now);
NewEvent recovered_event(const Webhook& webhook, const Recovery& recovery, Timestamp now);

}  // namespace webhookd
