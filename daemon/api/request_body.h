#pragma once

#include <string_view>

#include "api/errors.h"
#include "api/http.h"
#include "shared/canonical_json.h"

namespace webhookd {

enum class BodyNeed { required, optional };

// Of a Content-Type header, parameters left out: "application/json", or "…+json" of that kind.
bool is_json_type(std::string_view content_type);
// The same for "application/x-ndjson".
bool is_ndjson_type(std::string_view content_type);

// `text`, a body or the part of one that stands at `loc`, is no JSON.
Fault json_fault(const Loc& loc, std::string_view text, const JsonFault& fault);

// The members of a JSON object body. An optional one may be empty or null: no members then.
// Throws ApiError 415 for another media type, ValidationError for everything else.
CanonicalObject parse_body(const HttpRequest& request, BodyNeed need);

}  // namespace webhookd
