#include "api/header_rules.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "api/message_syntax.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxHeaders = 20;
constexpr std::size_t kMaxName = 100;
constexpr std::size_t kMaxValue = 4096;

// RFC 9110 section 7.6.1, and what steers the connection or the request itself.
constexpr std::array<std::string_view, 12> kReserved{
    "connection",          "keep-alive", "proxy-authenticate",
    "proxy-authorization", "te",         "trailer",
    "transfer-encoding",   "upgrade",    "expect",
    "proxy-connection",    "host",       "user-agent"};
constexpr std::array<std::string_view, 3> kReservedPrefixes{"content-", "x-scaikey-", "webhook-"};

std::optional<std::string> name_fault(const std::string& name, std::string_view own_prefix) {
  if (name.size() > kMaxName) return "a header name has at most 100 characters";
  if (!is_token(name)) return "a header name consists of letters, digits and !#$%&'*+-.^_`|~";
  const std::string lower = lower_case(name);
  const bool reserved =
      std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end() ||
      std::any_of(kReservedPrefixes.begin(), kReservedPrefixes.end(),
                  [&](std::string_view prefix) { return lower.starts_with(prefix); });
  const bool own = lower.starts_with(lower_case(std::string(own_prefix) + "-"));
  if (reserved || own) return "this header is set by the daemon and cannot be added";
  return std::nullopt;
}

const std::string* find_header(const Headers& headers, std::string_view name) {
  const auto found = std::find_if(headers.begin(), headers.end(), [&](const auto& header) {
    return equal_ignoring_case(header.first, name);
  });
  return found == headers.end() ? nullptr : &found->second;
}

Loc header_loc(const std::string& name) {
  return {std::string("body"), std::string("headers"), name};
}

}  // namespace

Given<Headers> read_headers(Fields& fields, MaskedValue masked, std::string_view own_prefix,
                            Faults& faults) {
  const auto members = fields.dictionary("headers", Presence::optional, kMaxHeaders);
  if (!members.value) return {};
  Headers headers;
  for (const auto& [name, member] : *members.value) {
    const Loc loc = header_loc(name);
    const auto refuse = [&, &given = member](std::string_view why) {
      faults.add(fault::value_error(loc, given.text, why));
    };
    const auto value = read_text(member, loc, {0, kMaxValue}, faults);
    if (const auto why = name_fault(name, own_prefix)) {
      refuse(*why);
    } else if (find_header(headers, name) != nullptr) {
      refuse("this header is there twice");
    } else if (value == kMasked && masked == MaskedValue::refused) {
      refuse("*** stands for a value that is stored, and nothing is stored yet");
    } else if (value) {
      headers.emplace_back(name, *value);
    }
  }
  return {true, std::move(headers)};
}

Headers with_stored(const Headers& sent, const Headers& stored) {
  Headers headers = sent;
  Faults faults;
  for (auto& [name, value] : headers) {
    if (value != kMasked) continue;
    if (const std::string* kept = find_header(stored, name)) {
      value = *kept;
    } else {
      faults.add(fault::value_error(header_loc(name), json_quoted(kMasked),
                                    "*** stands for a value that is stored, and none is"));
    }
  }
  faults.check();
  return headers;
}

}  // namespace webhookd
