#pragma once

// Where a text that is no JSON goes wrong, as Python's json module places it. Byte offsets.

#include <cstddef>
#include <string_view>

namespace webhookd {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The beginning of the token that a parser stumbled over, the place inside it where no token goes
// on, or the end of the text. The parser has taken `read` bytes, its end counted as one more.
std::size_t json_fault_position(std::string_view text, std::size_t read);

// The bracket that opens more than `deepest` levels; the end when none does.
std::size_t json_depth_position(std::string_view text, int deepest);

}  // namespace webhookd
