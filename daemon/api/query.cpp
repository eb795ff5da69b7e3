#include "api/query.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "api/message_syntax.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

constexpr std::int64_t kMaxPerPage = 200;

Loc query_loc(std::string_view name) { return {std::string("query"), std::string(name)}; }

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with("+")) return std::nullopt;
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc{}) return value;
  using Limits = std::numeric_limits<std::int64_t>;
  return text.starts_with('-') ? Limits::min() : Limits::max();
}

std::optional<std::pair<int, int>> parse_response_status(std::string_view text) {
  const std::string wanted = lower_case(text);
  if (wanted == "none") return std::pair{0, 0};
  const bool leads = wanted.size() == 3 && wanted[0] >= '1' && wanted[0] <= '5';
  if (!leads) return std::nullopt;
  if (wanted.ends_with("xx")) {
    const int first = (wanted[0] - '0') * 100;
    return std::pair{first, first + 99};
  }
  const auto status = parse_integer(wanted);
  if (!status) return std::nullopt;
  return std::pair{static_cast<int>(*status), static_cast<int>(*status)};
}

std::string encode_cursor(std::int64_t last_id) {
  return base64url_encode("before:" + std::to_string(last_id));
}

const std::string* Query::find(std::string_view name) const {
  const auto found = std::find_if(request_.query.rbegin(), request_.query.rend(),
                                  [&](const auto& pair) { return pair.first == name; });
  return found == request_.query.rend() ? nullptr : &found->second;
}

std::optional<std::int64_t> Query::integer(std::string_view name, const IntegerRange& range) {
  const std::string* text = find(name);
  if (text == nullptr) return std::nullopt;
  const auto value = parse_integer(*text);
  if (!value) {
    faults_.add(fault::int_parsing(query_loc(name), json_quoted(*text)));
  } else if (*value < range.least) {
    faults_.add(fault::greater_than_equal(query_loc(name), json_quoted(*text),
                                          std::to_string(range.least)));
  } else if (*value > range.most) {
    faults_.add(
        fault::less_than_equal(query_loc(name), json_quoted(*text), std::to_string(range.most)));
  } else {
    return value;
  }
  return std::nullopt;
}

std::optional<std::string> Query::text(std::string_view name, const TextRule& rule) {
  const std::string* text = find(name);
  if (text == nullptr) return std::nullopt;
  if (!is_utf8(*text)) {
    faults_.add(fault::value_error(query_loc(name), json_quoted(*text), "UTF-8 is needed"));
    return std::nullopt;
  }
  const CanonicalMember member{CanonicalMember::Kind::string, json_quoted(*text), *text};
  return read_text(member, query_loc(name), rule, faults_);
}

std::optional<std::string> Query::literal(std::string_view name,
                                          const std::vector<std::string_view>& expected) {
  const std::string* text = find(name);
  if (text == nullptr) return std::nullopt;
  if (std::find(expected.begin(), expected.end(), *text) != expected.end()) return *text;
  faults_.add(fault::literal_error(query_loc(name), json_quoted(*text), expected));
  return std::nullopt;
}

std::optional<Timestamp> Query::time(std::string_view name) {
  const std::string* text = find(name);
  if (text == nullptr) return std::nullopt;
  return read_time(*text, query_loc(name), faults_);
}

bool Query::flag(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kTrue{"true", "1", "yes", "on", "t", "y"};
  static constexpr std::array<std::string_view, 6> kFalse{"false", "0", "no", "off", "f", "n"};
  const std::string* text = find(name);
  if (text == nullptr) return false;
  const std::string spelled = lower_case(*text);
  if (std::find(kTrue.begin(), kTrue.end(), spelled) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), spelled) == kFalse.end()) {
    faults_.add(fault::literal_error(query_loc(name), json_quoted(*text), {"true", "false"}));
  }
  return false;
}

PageRequest Query::page() {
  PageRequest page;
  const auto number = integer("page", {1, std::numeric_limits<std::int64_t>::max()});
  constexpr std::int64_t kLastPage = std::numeric_limits<int>::max();
  page.page = static_cast<int>(std::min(number.value_or(page.page), kLastPage));
  page.per_page = static_cast<int>(integer("per_page", {1, kMaxPerPage}).value_or(page.per_page));
  return page;
}

std::optional<std::pair<int, int>> Query::response_status(std::string_view name) {
  const std::string* text = find(name);
  if (text == nullptr) return std::nullopt;
  const auto range = parse_response_status(*text);
  if (!range) refuse(name, kNoResponseStatus);
  return range;
}

std::optional<DeliveryId> Query::cursor(std::string_view name) {
  const std::string* text = find(name);
  if (text == nullptr) return std::nullopt;
  constexpr std::string_view kPrefix = "before:";
  const std::optional<std::string> decoded = base64url_decode(*text);
  if (decoded && decoded->starts_with(kPrefix)) {
    const auto id = parse_integer(std::string_view(*decoded).substr(kPrefix.size()));
    if (id && *id > 0) return DeliveryId{*id};
  }
  refuse(name, "this is no next_cursor of an earlier answer");
  return std::nullopt;
}

void Query::refuse(std::string_view name, std::string_view why) {
  const std::string* text = find(name);
  faults_.add(
      fault::value_error(query_loc(name), text == nullptr ? "null" : json_quoted(*text), why));
}

}  // namespace webhookd
