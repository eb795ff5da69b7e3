#include "shared/json_position.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "shared/ascii.h"

namespace webhookd {

namespace {

constexpr std::size_t kUnitLength = 6;  // "\u00e9"

// A token from its beginning on: where it ends, or where it turns out to be none.
struct Token {
  std::optional<std::size_t> end;
  std::size_t fault = 0;
};

// The UTF-16 unit that is escaped as \uXXXX at `at`.
std::optional<std::uint32_t> escaped_unit(std::string_view text, std::size_t at) {
  if (at + kUnitLength > text.size() || !text.substr(at).starts_with("\\u")) return std::nullopt;
  std::uint32_t unit = 0;
  const char* end = text.data() + at + kUnitLength;
  const auto [stop, error] = std::from_chars(text.data() + at + 2, end, unit, 16);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return unit;
}

// The escape whose backslash is at `at`, a pair of surrogates being one.
Token escape(std::string_view text, std::size_t at) {
  if (text[at + 1] != 'u') {
    const bool known = std::string_view(R"("\/bfnrt)").find(text[at + 1]) != std::string_view::npos;
    return known ? Token{at + 2} : Token{{}, at};
  }
  const auto unit = escaped_unit(text, at);
  if (!unit) return {{}, at + 1};
  if (*unit < 0xD800 || *unit > 0xDFFF) return {at + kUnitLength};
  const auto low = *unit < 0xDC00 ? escaped_unit(text, at + kUnitLength) : std::nullopt;
  if (!low || *low < 0xDC00 || *low > 0xDFFF) return {{}, at};
  return {at + 2 * kUnitLength};
}

Token string_token(std::string_view text, std::size_t begin, std::size_t read) {
  for (std::size_t at = begin + 1; at < std::min(text.size(), read);) {
    const auto byte = static_cast<std::uint8_t>(text[at]);
    if (byte == '"') return {at + 1};
    if (byte < 0x20) return {{}, at};
    if (byte != '\\') {
      ++at;
      continue;
    }
    if (at + 1 == text.size()) break;
    const Token escaped = escape(text, at);
    if (!escaped.end) return escaped;
    at = *escaped.end;
  }
  // Short of the text's end only a byte that is no UTF-8 stops a parser.
  return {{}, read > text.size() ? begin : read - 1};
}

std::size_t end_of_digits(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of("0123456789", at), text.size());
}

// As much as is a number: of "1.}" the 1.
Token number_token(std::string_view text, std::size_t begin) {
  const std::size_t whole = begin + (text[begin] == '-' ? 1 : 0);
  std::size_t end = end_of_digits(text, whole);
  if (end == whole) return {{}, begin};
  if (text[whole] == '0') end = whole + 1;
  if (end < text.size() && text[end] == '.') {
    const std::size_t fraction = end_of_digits(text, end + 1);
    if (fraction == end + 1) return {end};
    end = fraction;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    const bool is_signed = end + 1 < text.size() && (text[end + 1] == '+' || text[end + 1] == '-');
    const std::size_t power = end + (is_signed ? 2 : 1);
    if (end_of_digits(text, power) > power) end = end_of_digits(text, power);
  }
  return {end};
}

Token token_at(std::string_view text, std::size_t at, std::size_t read) {
  const char c = text[at];
  if (std::string_view("[]{}:,").find(c) != std::string_view::npos) return {at + 1};
  if (c == '"') return string_token(text, at, read);
  if (c == '-' || is_digit(c)) return number_token(text, at);
  for (const std::string_view literal : {"null", "true", "false"}) {
    if (text.substr(at).starts_with(literal)) return {at + literal.size()};
  }
  return {{}, at};
}

}  // namespace

std::size_t json_fault_position(std::string_view text, std::size_t read) {
  std::size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (true) {
    at = text.find_first_not_of(kJsonSpace, at);
    if (at == std::string_view::npos) return text.size();
    const Token token = token_at(text, at, read);
    if (!token.end) return token.fault;
    // A good token in the wrong place.
    if (*token.end >= read) return at;
    at = *token.end;
  }
}

std::size_t json_depth_position(std::string_view text, int deepest) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > deepest) return at;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return text.size();
}

}  // namespace webhookd
