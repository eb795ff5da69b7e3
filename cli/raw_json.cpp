#include "cli/raw_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "shared/ascii.h"
#include "shared/model.h"

namespace webhookd {
namespace {

// Past the string that begins at `at`.
std::size_t after_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

// Where the value at `at` ends: at the first of ",:]}" that does not lie within it.
std::size_t value_end(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = after_string(text, at);
      continue;
    }
    if (depth == 0 && (c == ',' || c == ':' || c == ']' || c == '}')) return at;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    ++at;
  }
  return at;
}

bool is_container(std::string_view text, char open) {
  return text.size() >= 2 && text.front() == open;
}

// Values between the brackets, separated by commas and colons alike.
std::vector<std::string_view> values_within(std::string_view text) {
  std::vector<std::string_view> values;
  std::size_t at = 1;
  while (at < text.size()) {
    const std::size_t end = value_end(text, at);
    const std::string_view value = trimmed(text.substr(at, end - at));
    if (!value.empty()) values.push_back(value);
    at = end + 1;
  }
  return values;
}

constexpr int kMaxNesting = 128;

bool looks_secret(std::string_view name) { return is_secret_header(name); }

bool holds_headers(std::string_view name) { return name.ends_with("headers"); }

// A fault of a 422 repeats the value that it is about, and perhaps in the words of a server that
// does not mask it.
bool repeats_request(std::string_view name) { return name == "input" || name == "ctx"; }

enum class Mask { where_secret, everything };

std::string masked(std::string_view json, Mask mask) {
  if (is_container(json, '[')) {
    std::string out = "[";
    for (const std::string_view element : raw_elements(json)) {
      if (out.size() > 1) out += ',';
      out += masked(element, mask);
    }
    return out + "]";
  }
  if (!is_container(json, '{')) {
    return mask == Mask::everything ? "\"***\"" : std::string(json);
  }
  std::string out = "{";
  for (const auto& [name, value] : raw_members(json)) {
    if (out.size() > 1) out += ',';
    const bool hidden = mask == Mask::everything || looks_secret(name) || holds_headers(name) ||
                        repeats_request(name);
    out += fmt::format("\"{}\":{}", name,
                       masked(value, hidden ? Mask::everything : Mask::where_secret));
  }
  return out + "}";
}

}  // namespace

std::vector<std::string_view> raw_elements(std::string_view array) {
  array = trimmed(array);
  if (!is_container(array, '[')) return {};
  return values_within(array);
}

std::vector<std::pair<std::string_view, std::string_view>> raw_members(std::string_view object) {
  object = trimmed(object);
  if (!is_container(object, '{')) return {};
  const std::vector<std::string_view> values = values_within(object);
  std::vector<std::pair<std::string_view, std::string_view>> members;
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    const std::string_view name = values[i];
    members.emplace_back(name.substr(1, name.size() - 2), values[i + 1]);
  }
  return members;
}

std::string compact_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] == '"') {
      const std::size_t end = after_string(json, at);
      out += json.substr(at, end - at);
      at = end;
      continue;
    }
    if (kJsonSpace.find(json[at]) == std::string_view::npos) out += json[at];
    ++at;
  }
  return out;
}

bool nests_too_deep(std::string_view json) {
  int depth = 0;
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] == '"') {
      at = after_string(json, at);
      continue;
    }
    if (json[at] == '[' || json[at] == '{') ++depth;
    if (json[at] == ']' || json[at] == '}') --depth;
    if (depth > kMaxNesting) return true;
    ++at;
  }
  return false;
}

std::string masked_json(std::string_view json) {
  if (nests_too_deep(json) || !nlohmann::json::accept(json))
    return fmt::format("({} bytes)", json.size());
  return masked(trimmed(json), Mask::where_secret);
}

}  // namespace webhookd
