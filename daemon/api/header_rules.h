#pragma once

#include "api/validation.h"
#include "shared/model.h"

namespace webhookd {

// What "***" as a header's value means.
enum class MaskedValue { refused, keeps_stored };

// The `headers` of a webhook: names and values that may be added to its requests.
// `own_prefix`: what the daemon's own headers begin with, "X-ScaiKey".
Given<Headers> read_headers(Fields& fields, MaskedValue masked, std::string_view own_prefix,
                            Faults& faults);

// `sent` with every "***" replaced by what `stored` has under that name, in any case. Throws
// ValidationError for a name that is not stored.
Headers with_stored(const Headers& sent, const Headers& stored);

}  // namespace webhookd
