#pragma once

// Characters as protocols class them: ASCII, whatever the locale is.

#include <string_view>

namespace webhookd {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// RFC 8259 section 2.
inline constexpr std::string_view kJsonSpace = " \t\r\n";
// OWS of RFC 9110 section 5.6.3.
inline constexpr std::string_view kHttpSpace = " \t";

// `text` without any of `spaces` at its ends.
constexpr std::string_view trimmed(std::string_view text, std::string_view spaces = kJsonSpace) {
  const std::size_t first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

}  // namespace webhookd
