#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace webhookd {

// RFC 4648 section 4, padded.
std::string base64_encode(std::string_view bytes);
// Strict: canonical padding, no white space. Absent otherwise.
std::optional<std::string> base64_decode(std::string_view text);

// RFC 4648 section 5, without padding (as JWTs use it).
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

// Lower case.
std::string hex_encode(std::string_view bytes);
std::optional<std::string> hex_decode(std::string_view text);

// 32 bytes each.
std::string sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view message);

// Takes the same time wherever the first difference is (the lengths are no secret).
bool constant_time_equal(std::string_view left, std::string_view right);

// RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF.
bool is_utf8(std::string_view bytes);

// What is not UTF-8 becomes U+FFFD, one for each byte; the rest stays.
std::string replace_invalid_utf8(std::string_view bytes);

// Whether bytes are UTF-8 without what is invisible and easily lost on the way: control characters,
// marks of direction and width, separators of lines and paragraphs.
bool is_printable(std::string_view bytes);

// Code points in valid UTF-8.
std::size_t utf8_length(std::string_view text);

}  // namespace webhookd
