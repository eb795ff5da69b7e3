#pragma once

// Keywords of JSON Schema that are not left to the validator, because it takes for ever, is wrong
// or passes over them.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace valijson {
class SchemaParser;
}

namespace webhookd {

// Renames "pattern" and "multipleOf" wherever they are keywords, so that they reach our own checks.
// Throws std::invalid_argument for one that cannot be used, and for patternProperties.
void take_over_keywords(nlohmann::json& schema);

// The checks that take_over_keywords() leads to.
void add_taken_over_keywords(valijson::SchemaParser& parser);

// A keyword of a later draft than 7, or one that only later drafts enforce beside "$ref" in a
// schema that asks for them: it would not be enforced.
std::optional<std::string> unenforced_keyword(const nlohmann::json& schema);

}  // namespace webhookd
