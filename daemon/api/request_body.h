#pragma once

#include "api/errors.h"
#include "api/http.h"
#include "shared/canonical_json.h"

namespace webhookd {

enum class BodyNeed { required, optional };

// The members of a JSON object body. An optional one may be empty or null: no members then.
// Throws ApiError 415 for another media type, ValidationError for everything else.
CanonicalObject parse_body(const HttpRequest& request, BodyNeed need);

}  // namespace webhookd
