#include "api/batch_items.h"

#include <algorithm>

#include "shared/ascii.h"
#include "shared/json_position.h"

namespace webhookd {
namespace {

// Where the value that begins at `at` ends: at the comma or bracket that does not lie within it.
std::size_t end_of_item(std::string_view text, std::size_t at) {
  int depth = 0;
  bool in_string = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      if (depth-- == 0) return at;
    } else if (c == ',' && depth == 0) {
      return at;
    }
  }
  return text.size();
}

std::string_view without_mark(std::string_view body) {
  if (body.starts_with(kByteOrderMark)) body.remove_prefix(kByteOrderMark.size());
  return body;
}

}  // namespace

std::vector<BatchItem> batch_lines(std::string_view body, std::size_t most) {
  std::vector<BatchItem> items;
  body = without_mark(body);
  for (std::int64_t number = 1; !body.empty() && items.size() < most; ++number) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, end);
    if (!trimmed(line).empty()) items.push_back({line, number});
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return items;
}

std::optional<std::vector<BatchItem>> batch_array(std::string_view body, std::size_t most) {
  std::vector<BatchItem> items;
  body = trimmed(without_mark(body));
  if (!body.starts_with('[')) return std::nullopt;
  if (trimmed(body.substr(1)) == "]") return items;
  std::size_t at = 1;
  while (items.size() < most) {
    const std::size_t end = end_of_item(body, at);
    if (end == body.size()) return std::nullopt;
    const std::string_view item = trimmed(body.substr(at, end - at));
    // The parser takes a mark at the beginning of any text.
    if (item.starts_with(kByteOrderMark)) return std::nullopt;
    items.push_back({item, static_cast<std::int64_t>(items.size())});
    at = end + 1;
    if (body[end] == ',') continue;
    if (body[end] != ']' || at != body.size()) return std::nullopt;
    break;
  }
  return items;
}

}  // namespace webhookd
