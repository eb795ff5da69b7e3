#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace webhookd {

// One member of a JSON object, already in canonical form: as Python's
// json.dumps(value, separators=(",", ":"), sort_keys=True) writes it, but with every number's
// digits as they were sent.
struct CanonicalMember {
  enum class Kind { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  std::string text;    // canonical JSON
  std::string string;  // the decoded UTF-8 value when kind is string
};

// The members of a JSON object by name, the last of duplicates kept.
using CanonicalObject = std::map<std::string, CanonicalMember, std::less<>>;

struct JsonFault {
  enum class Kind { syntax, too_deep, number_range };
  Kind kind = Kind::syntax;
  std::size_t position = 0;  // byte offset of what is wrong; see json_position.h
  std::string reason;        // "unterminated string", never a piece of the text itself
};

inline constexpr int kMaxJsonDepth = 128;

// Any JSON value, canonical. Refuses invalid UTF-8, lone surrogates, numbers outside the range of
// a double and nesting deeper than kMaxJsonDepth.
std::variant<CanonicalMember, JsonFault> canonicalize(std::string_view text);

// The same for a text whose value is an object, opened one level. A value that is no object comes
// back as the member it is.
std::variant<CanonicalObject, CanonicalMember, JsonFault> canonicalize_object(
    std::string_view text);

// `text` (valid UTF-8) as a JSON string with every non-ASCII character and DEL escaped, in quotes.
std::string canonical_string(std::string_view text);

void append_canonical_string(std::string& out, std::string_view text);

// One object from members, keys sorted.
std::string canonical_text(const CanonicalObject& members);

}  // namespace webhookd
