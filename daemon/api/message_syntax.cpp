#include "api/message_syntax.h"

#include <algorithm>
#include <array>

#include "shared/ascii.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxLengthDigits = 19;
constexpr std::uint64_t kMaxLength = 0x7FFF'FFFF'FFFF'FFFF;
constexpr std::size_t kMaxChunkSizeDigits = 15;

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// -1 for what is no hexadecimal digit.
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char low = lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

std::variant<HttpVersion, Refusal> parse_version(std::string_view text) {
  constexpr std::string_view kName = "HTTP/";
  if (text.size() != kName.size() + 3 || !text.starts_with(kName) || !is_digit(text[5]) ||
      text[6] != '.' || !is_digit(text[7])) {
    return Refusal{400, "The request line is malformed"};
  }
  if (text.substr(kName.size()) == "1.1") return HttpVersion::http_1_1;
  if (text.substr(kName.size()) == "1.0") return HttpVersion::http_1_0;
  return Refusal{505, "Only HTTP/1.0 and HTTP/1.1 are supported"};
}

// The origin form of `target`; absent for the asterisk and authority forms.
std::optional<std::string_view> origin_form(std::string_view target) {
  if (target.starts_with('/')) return target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const std::string_view rest = target.substr(scheme.size());
    const auto end = std::min(rest.find_first_of("/?"), rest.size());
    if (end == 0) return std::nullopt;
    return rest.substr(end);
  }
  return std::nullopt;
}

bool is_target_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return is_control(c) || c == ' ' || c == '#'; });
}

enum class Plus { literal, space };

std::optional<std::string> percent_decoded(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::space) {
      c = ' ';
    }
    if (is_control(c)) return std::nullopt;
    out.push_back(c);
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

}  // namespace

bool is_token_character(char c) {
  return is_alphanumeric(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

bool is_request_id(std::string_view text) {
  constexpr std::size_t kMaxRequestId = 128;
  // What would end a value in logs, or make two of one header.
  static constexpr std::string_view kUnsafe = "\"'\\,;";
  return !text.empty() && text.size() <= kMaxRequestId &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c <= '~' && kUnsafe.find(c) == std::string_view::npos;
         });
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

bool list_has(std::string_view list, std::string_view element) {
  while (true) {
    const auto comma = list.find(',');
    if (equal_ignoring_case(trimmed(list.substr(0, comma), kHttpSpace), element)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

std::variant<RequestLine, Refusal> parse_request_line(std::string_view line) {
  constexpr Refusal kMalformed{400, "The request line is malformed"};
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return kMalformed;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  RequestLine parsed{line.substr(0, first), {}, HttpVersion::http_1_1};
  if (!is_token(parsed.method) || target.empty() || !is_target_text(target)) return kMalformed;
  const auto version = parse_version(line.substr(last + 1));
  if (const auto* refusal = std::get_if<Refusal>(&version)) return *refusal;
  parsed.version = std::get<HttpVersion>(version);
  const auto origin = origin_form(target);
  if (!origin) return Refusal{400, "The request target is not a path"};
  parsed.target = *origin;
  return parsed;
}

std::variant<HeaderLine, Refusal> parse_header_line(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return Refusal{400, "A header line has no colon"};
  const HeaderLine parsed{line.substr(0, colon), trimmed(line.substr(colon + 1), kHttpSpace)};
  // Covers folded lines and white space before the colon as well.
  if (!is_token(parsed.name)) return Refusal{400, "A header name is malformed"};
  const bool clean = std::none_of(parsed.value.begin(), parsed.value.end(),
                                  [](char c) { return is_control(c) && c != '\t'; });
  if (!clean) return Refusal{400, "A header value has control characters"};
  return parsed;
}

std::optional<std::uint64_t> parse_content_length(std::string_view value) {
  if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) return std::nullopt;
  value.remove_prefix(std::min(value.find_first_not_of('0'), value.size()));
  if (value.size() > kMaxLengthDigits) return std::nullopt;
  std::uint64_t length = 0;
  for (const char c : value) length = length * 10 + static_cast<std::uint64_t>(c - '0');
  if (length > kMaxLength) return std::nullopt;
  return length;
}

std::optional<std::uint64_t> parse_chunk_size(std::string_view line) {
  const auto semicolon = std::min(line.find(';'), line.size());
  const std::string_view digits = line.substr(0, semicolon);
  const std::string_view extensions = line.substr(semicolon);
  if (digits.empty() || digits.size() > kMaxChunkSizeDigits) return std::nullopt;
  if (std::any_of(extensions.begin(), extensions.end(),
                  [](char c) { return is_control(c) && c != '\t'; })) {
    return std::nullopt;
  }
  std::uint64_t size = 0;
  for (const char c : digits) {
    const int value = hex_value(c);
    if (value < 0) return std::nullopt;
    size = size * 16 + static_cast<std::uint64_t>(value);
  }
  return size;
}

// A slash that was encoded separates nothing (RFC 3986 section 2.2), so it stays encoded.
std::optional<std::string> decoded_path(std::string_view text) {
  std::string path;
  while (true) {
    const auto slash = std::min(text.find("%2F"), text.find("%2f"));
    const auto part = percent_decoded(text.substr(0, slash), Plus::literal);
    if (!part) return std::nullopt;
    path += *part;
    if (slash == std::string_view::npos) return path;
    path += "%2F";
    text.remove_prefix(slash + 3);
  }
}

std::optional<Target> parse_target(std::string_view target) {
  const auto mark = std::min(target.find('?'), target.size());
  const auto path = decoded_path(target.substr(0, mark));
  if (!path) return std::nullopt;
  Target parsed{path->empty() ? "/" : *path, {}};
  std::string_view rest = mark < target.size() ? target.substr(mark + 1) : std::string_view();
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = percent_decoded(pair.substr(0, equals), Plus::space);
    auto value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())), Plus::space);
    if (!name || !value) return std::nullopt;
    parsed.query.emplace_back(std::move(*name), std::move(*value));
  }
  return parsed;
}

}  // namespace webhookd
