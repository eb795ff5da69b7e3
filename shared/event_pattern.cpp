#include "shared/event_pattern.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace webhookd {

namespace {

constexpr std::size_t kMaxEventType = 100;

bool is_word_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other
// (optimal string alignment: no place is edited twice).
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before_last(to.size() + 1);
  std::vector<std::size_t> last(to.size() + 1);
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[to.size()];
}

std::optional<std::string> best_within(std::size_t distance_allowed, std::string_view word,
                                       std::span<const std::string> candidates) {
  // A longer word is no event type, and the distance costs the product of the lengths.
  if (word.size() > 2 * kMaxEventType) return std::nullopt;
  const std::string* best = nullptr;
  std::size_t best_distance = distance_allowed;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > best_distance) continue;
    const bool tie = best != nullptr && distance == best_distance;
    if (tie && *best <= candidate) continue;
    best = &candidate;
    best_distance = distance;
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

}  // namespace

bool is_event_type(std::string_view text) {
  if (text.empty() || text.size() > kMaxEventType) return false;
  if (text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_word_letter(c) || c == '.'; });
}

bool is_event_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.ends_with(".*")) text.remove_suffix(2);
  return is_event_type(text);
}

bool pattern_matches(std::string_view pattern, std::string_view event_type) {
  if (pattern == "*") return true;
  if (!pattern.ends_with(".*")) return pattern == event_type;
  pattern.remove_suffix(1);
  return event_type.size() > pattern.size() && event_type.starts_with(pattern);
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  return best_within(std::max<std::size_t>(2, word.size() / 3), word, candidates);
}

std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates) {
  return best_within(std::numeric_limits<std::size_t>::max(), word, candidates);
}

}  // namespace webhookd
