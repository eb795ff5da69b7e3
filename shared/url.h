#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace webhookd {

// An absolute http or https URL as webhooks use it: a host, no userinfo, no fragment.
struct Url {
  std::string text;    // as the caller wrote it
  std::string scheme;  // "http" or "https"
  std::string host;    // normalised by libcurl: lower case, IPv4 numbers dotted, IPv6 in brackets
  std::uint16_t port = 0;  // the scheme's default when the URL names none
};

// Why a text is no such URL.
struct UrlFault {
  enum class Kind { malformed, scheme, rule };
  Kind kind = Kind::malformed;
  std::string reason;  // a phrase: "userinfo is not allowed"
};

inline constexpr std::size_t kMaxUrlLength = 2048;

// Parses and checks; never resolves.
std::variant<Url, UrlFault> parse_url(std::string_view text);

// %XX-encodes all but the unreserved characters of RFC 3986 section 2.3.
std::string percent_encode(std::string_view text);

}  // namespace webhookd
