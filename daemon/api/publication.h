#pragma once

// What a caller publishes, on its own or in a batch: checked, bound to whom it belongs, and made
// an event of.

#include <optional>
#include <span>
#include <vector>

#include "api/call.h"
#include "shared/canonical_json.h"
#include "store/store.h"

namespace webhookd {

struct Publication {
  NewEvent event;
  // Why the catalogue does not take it, as it is now. Then it has an event_id and no other fault:
  // perhaps it was accepted when the catalogue did.
  Faults refusal;
};

// Judges the members that stand at `loc`. Absent when faults were noted. Throws ApiError 403 when
// it names a tenant or partner that is not the principal's own.
std::optional<Publication> read_publication(Call& call, CanonicalObject sent, const Loc& loc,
                                            Timestamp now, Faults& faults);

// What became of events that were published before, with nothing stored.
std::vector<PublishedEvent> judge_repetitions(Store& store, std::vector<NewEvent> events,
                                              Timestamp now);

}  // namespace webhookd
