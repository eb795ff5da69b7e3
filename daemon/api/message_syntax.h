#pragma once

// The grammar of HTTP/1.1 messages (RFC 9112) and of request targets (RFC 3986), line by line.
// Stricter than both where leniency lets two programs read one request differently.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace webhookd {

// Why a request is refused before a handler sees it. The reason is ours, never the client's text.
struct Refusal {
  int status = 400;
  std::string_view reason;  // of static storage
};

enum class HttpVersion { http_1_0, http_1_1 };

// Views into the line that was parsed.
struct RequestLine {
  std::string_view method;
  std::string_view target;  // origin form: "/path?query"; "" stands for "/"
  HttpVersion version = HttpVersion::http_1_1;
};

// `line` without its CRLF (RFC 9112 section 3).
std::variant<RequestLine, Refusal> parse_request_line(std::string_view line);

struct HeaderLine {
  std::string_view name;   // as sent
  std::string_view value;  // without white space around it
};

// `line` without its CRLF (RFC 9112 section 5). Folded lines are refused.
std::variant<HeaderLine, Refusal> parse_header_line(std::string_view line);

// Digits only; absent for anything else and past 2^63-1.
std::optional<std::uint64_t> parse_content_length(std::string_view value);

// The size in a chunk's first line, extensions ignored (RFC 9112 section 7.1). Absent when
// malformed or past 2^60.
std::optional<std::uint64_t> parse_chunk_size(std::string_view line);

struct Target {
  std::string path;                                        // decoded, begins with '/'
  std::vector<std::pair<std::string, std::string>> query;  // decoded, '+' is a space
};

// Decodes an origin form. Absent for bad percent-encoding, invalid UTF-8 and control characters.
std::optional<Target> parse_target(std::string_view target);

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text);
bool is_token_character(char c);

// What a caller may choose as X-Request-ID: 1...128 visible ASCII characters without quotes,
// backslash, comma and semicolon.
bool is_request_id(std::string_view text);

// ASCII only.
std::string lower_case(std::string_view text);
bool equal_ignoring_case(std::string_view left, std::string_view right);

// True when a comma-separated list (Connection) has the lower-case `element`.
bool list_has(std::string_view list, std::string_view element);

}  // namespace webhookd
