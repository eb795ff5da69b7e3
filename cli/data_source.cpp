#include "cli/data_source.h"

#include <fmt/format.h>

#include "cli/errors.h"
#include "cli/settings.h"
#include "shared/canonical_json.h"

namespace webhookd {

std::string read_json_object(std::string_view source, std::string_view option) {
  std::string text;
  if (source.starts_with('@')) {
    text = read_source(source.substr(1));
  } else if (source == "-") {
    text = read_source(source);
  } else {
    text = source;
  }
  const auto parsed = canonicalize(text);
  if (const auto* fault = std::get_if<JsonFault>(&parsed)) {
    throw usage_error(
        fmt::format("{}: not valid JSON: {} at byte {}", option, fault->reason, fault->position),
        "give an object as @FILE, as - for stdin, or in quotes: '{\"id\": 7}'");
  }
  if (std::get<CanonicalMember>(parsed).kind != CanonicalMember::Kind::object) {
    throw usage_error(fmt::format("{}: must be a JSON object", option),
                      "give it as @FILE, as - for stdin, or in quotes: '{\"id\": 7}'");
  }
  return text;
}

}  // namespace webhookd
