#pragma once

// Pieces of the envelope that receivers get (contract section 3), in canonical JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/canonical_json.h"
#include "shared/model.h"
#include "shared/time.h"

namespace webhookd {

CanonicalMember string_member(std::string_view text);
CanonicalMember number_member(std::int64_t number);
CanonicalMember object_member(const CanonicalObject& members);

// Sets an id of the binding among `members`, or removes a null one.
void put_binding(const Binding& binding, CanonicalObject& members);

// What is sent, from every other member: the id and the time are set last.
std::string envelope_text(CanonicalObject members, std::string_view event_id, Timestamp timestamp);

}  // namespace webhookd
