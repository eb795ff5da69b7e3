#include "shared/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <new>
#include <optional>

#include "shared/ascii.h"
#include "shared/encoding.h"

namespace webhookd {

namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using ParsedUrl = std::unique_ptr<CURLU, FreeUrl>;

constexpr std::size_t kMaxHostName = 253;  // RFC 1035 section 2.3.4, without the length octets

UrlFault malformed(std::string reason) { return {UrlFault::Kind::malformed, std::move(reason)}; }
UrlFault against_rule(std::string reason) { return {UrlFault::Kind::rule, std::move(reason)}; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_not_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_control_or_space(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }
bool is_host_letter(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
}

std::string lower_case(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::optional<UrlFault> fault_in_text(std::string_view text) {
  if (text.empty()) return malformed("input is empty");
  if (text.size() > kMaxUrlLength) return against_rule("it is longer than 2048 bytes");
  if (!is_utf8(text)) return malformed("invalid UTF-8");
  if (std::any_of(text.begin(), text.end(), is_control_or_space)) {
    return malformed("spaces and control characters are not allowed");
  }
  return std::nullopt;
}

// Length of "<scheme>" before the first colon; 0 when the text begins with none.
std::size_t scheme_length(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_letter(text[0])) return 0;
  const std::string_view scheme = text.substr(0, colon);
  const bool valid = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
  return valid ? colon : 0;
}

// libcurl is more liberal than this in what it takes for a host: it decodes %XX, takes zone ids
// and lets most characters pass.
std::optional<UrlFault> fault_in_authority(std::string_view authority) {
  if (authority.find('@') != std::string_view::npos) {
    return against_rule("userinfo is not allowed");
  }
  if (authority.empty() || authority.front() == ':') return malformed("empty host");
  if (std::any_of(authority.begin(), authority.end(), is_not_ascii)) {
    return malformed("a host name with non-ASCII characters must be written in punycode (xn--)");
  }
  if (authority.front() == '[') {
    if (authority.find('%') == std::string_view::npos) return std::nullopt;
    return malformed("an IPv6 address with a zone is not allowed");
  }
  const std::string_view host = authority.substr(0, authority.find(':'));
  if (!std::all_of(host.begin(), host.end(), is_host_letter)) {
    return malformed("invalid character in the host");
  }
  if (host.size() > kMaxHostName) return malformed("the host is too long");
  return std::nullopt;
}

// Faults that libcurl does not see, or not as we do.
std::optional<UrlFault> fault_before_parsing(std::string_view text) {
  if (auto fault = fault_in_text(text)) return fault;
  const std::size_t length = scheme_length(text);
  if (length == 0) return malformed("relative URL without a base");
  const std::string scheme = lower_case(text.substr(0, length));
  if (scheme != "http" && scheme != "https") {
    return UrlFault{UrlFault::Kind::scheme, "URL scheme should be 'http' or 'https'"};
  }
  text.remove_prefix(length);
  if (!text.starts_with("://")) return malformed("the scheme must be followed by ://");
  text.remove_prefix(3);
  if (auto fault = fault_in_authority(text.substr(0, text.find_first_of("/?#")))) return fault;
  if (text.find('#') != std::string_view::npos) return against_rule("a fragment is not allowed");
  return std::nullopt;
}

std::string part_of(const ParsedUrl& url, CURLUPart part, unsigned flags) {
  char* value = nullptr;
  if (curl_url_get(url.get(), part, &value, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owner(value, curl_free);
  return value;
}

// A name whose last label is a number would be an address, but libcurl could not read it as one;
// other software might (WHATWG URL, "ends in a number").
bool is_broken_ipv4(const std::string& host) {
  std::string_view rest = host;
  if (rest.ends_with('.')) rest.remove_suffix(1);
  const std::string_view last = rest.substr(rest.rfind('.') + 1);
  const bool number = !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
  const bool hex = last.starts_with("0x") &&
                   last.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
  in_addr address{};
  return (number || hex) && inet_pton(AF_INET, host.c_str(), &address) != 1;
}

std::optional<UrlFault> fault_in_host(std::string_view host) {
  if (host.empty()) return malformed("empty host");
  if (host.starts_with('.') || host.find("..") != std::string_view::npos) {
    return malformed("empty label in the host name");
  }
  return std::nullopt;
}

UrlFault curl_fault(CURLUcode code) {
  if (code == CURLUE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code == CURLUE_BAD_PORT_NUMBER) return malformed("invalid port number");
  if (code == CURLUE_BAD_IPV6) return malformed("invalid IPv6 address");
  if (code == CURLUE_NO_HOST) return malformed("empty host");
  if (code == CURLUE_BAD_HOSTNAME) return malformed("invalid host");
  return malformed("it cannot be read");
}

}  // namespace

std::variant<Url, UrlFault> parse_url(std::string_view text) {
  if (auto fault = fault_before_parsing(text)) return *fault;
  const ParsedUrl parsed{curl_url()};
  if (!parsed) throw std::bad_alloc();
  Url url;
  url.text = text;
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.text.c_str(),
                                      CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER);
  if (code != CURLUE_OK) return curl_fault(code);

  url.scheme = part_of(parsed, CURLUPART_SCHEME, 0);
  url.host = lower_case(part_of(parsed, CURLUPART_HOST, 0));
  if (auto fault = fault_in_host(url.host)) return *fault;
  if (is_broken_ipv4(url.host)) return malformed("invalid IPv4 address");
  const std::string port = part_of(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const auto read = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (read.ec != std::errc{} || url.port == 0) return malformed("invalid port number");
  return url;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
      continue;
    }
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<std::uint8_t>(c);
    out += '%';
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 0xFU];
  }
  return out;
}

}  // namespace webhookd
