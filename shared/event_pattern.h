#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace webhookd {

// Dot-separated words of [a-z0-9_], at most 100 characters.
bool is_event_type(std::string_view text);

// An event type, words followed by ".*", or "*".
bool is_event_pattern(std::string_view text);

// "user.*" matches every type that begins with "user.", "*" matches all.
bool pattern_matches(std::string_view pattern, std::string_view event_type);

// The candidate that a person most likely meant, by edit distance; absent when none is near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// The same however far it is; absent for a word that is no slip of any event type's name, being
// more than twice as long as one may be.
std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates);

}  // namespace webhookd
