#include "shared/encoding.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace webhookd {

namespace {

constexpr std::string_view kStandardAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kHexDigits = "0123456789abcdef";

std::uint8_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

// What each character stands for; kNone for those outside the alphabet.
using Values = std::array<std::uint8_t, 256>;
constexpr std::uint8_t kNone = 0xFF;

constexpr Values values_of(std::string_view alphabet) {
  Values values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}

constexpr Values kStandardValues = values_of(kStandardAlphabet);
constexpr Values kUrlValues = values_of(kUrlAlphabet);

// Without padding.
std::string encode64(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bits = (bits << 8U | byte_at(bytes, i)) & 0xFFFFU;
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += alphabet[bits >> held & 0x3FU];
    }
  }
  if (held > 0) out += alphabet[bits << (6 - held) & 0x3FU];
  return out;
}

// Without padding. Bits that no byte takes must be zero, so that each value has one text.
std::optional<std::string> decode64(std::string_view text, const Values& values) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint8_t value = values[byte_at(text, i)];
    if (value == kNone) return std::nullopt;
    bits = (bits << 6U | value) & 0xFFFU;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xFFU);
    }
  }
  if ((bits & ((1U << held) - 1)) != 0) return std::nullopt;
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The length of the well-formed sequence at `at`; 0 when there is none (RFC 3629 section 4).
std::size_t utf8_sequence(std::string_view bytes, std::size_t at) {
  const std::uint8_t lead = byte_at(bytes, at);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (bytes.size() - at < length) return 0;
  const std::uint8_t second = byte_at(bytes, at + 1);
  const std::uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (second < lowest || second > highest) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte_at(bytes, at + i) & 0xC0U) != 0x80) return 0;
  }
  return length;
}

// Past the ASCII at `at`, in steps of eight bytes as far as it goes: most text is nothing else.
std::size_t skip_ascii(std::string_view bytes, std::size_t at) {
  constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;
  std::uint64_t word = 0;
  for (; bytes.size() - at >= sizeof word; at += sizeof word) {
    std::memcpy(&word, bytes.data() + at, sizeof word);
    if ((word & kHighBits) != 0) break;
  }
  while (at < bytes.size() && byte_at(bytes, at) < 0x80) ++at;
  return at;
}

// The code point of a valid sequence.
std::uint32_t code_point(std::string_view sequence) {
  const std::uint8_t lead = byte_at(sequence, 0);
  if (lead < 0x80) return lead;
  std::uint32_t code = lead & (0x7FU >> sequence.size());
  for (std::size_t i = 1; i < sequence.size(); ++i) {
    code = code << 6U | (byte_at(sequence, i) & 0x3FU);
  }
  return code;
}

// Unicode's classes Cc, Zl and Zp, and of Cf what editors and mail programs add.
bool is_invisible(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xAD ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF;
}

// OpenSSL looks an algorithm up by its name in every call that is not given one, under locks.
struct FreeDigest {
  void operator()(EVP_MD* kind) const { EVP_MD_free(kind); }
};
struct FreeMacContext {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::unique_ptr<EVP_MAC_CTX, FreeMacContext> new_hmac_context() {
  EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  std::unique_ptr<EVP_MAC_CTX, FreeMacContext> context(EVP_MAC_CTX_new(hmac));
  EVP_MAC_free(hmac);  // the context holds it
  std::string digest = "SHA256";
  const std::array parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  if (!context || EVP_MAC_CTX_set_params(context.get(), parameters.data()) != 1) {
    throw std::runtime_error("HMAC-SHA-256 is not there");
  }
  return context;
}
}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out = encode64(bytes, kStandardAlphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode64(text, kStandardValues);
}

std::string base64url_encode(std::string_view bytes) { return encode64(bytes, kUrlAlphabet); }

std::optional<std::string> base64url_decode(std::string_view text) {
  return decode64(text, kUrlValues);
}

std::string hex_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out += kHexDigits[byte_at(bytes, i) >> 4U];
    out += kHexDigits[byte_at(bytes, i) & 0xFU];
  }
  return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string sha256(std::string_view bytes) {
  static const std::unique_ptr<EVP_MD, FreeDigest> kind(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  std::array<unsigned char, 32> digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, kind.get(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 failed");
  }
  return {digest.begin(), digest.end()};
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  thread_local const std::unique_ptr<EVP_MAC_CTX, FreeMacContext> context = new_hmac_context();
  std::array<unsigned char, 32> digest{};
  std::size_t size = 0;
  // A null key means "the key of last time" to OpenSSL.
  if (EVP_MAC_init(context.get(), bytes_of(key.empty() ? "" : key), key.size(), nullptr) != 1 ||
      EVP_MAC_update(context.get(), bytes_of(message), message.size()) != 1 ||
      EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) != 1) {
    throw std::runtime_error("HMAC-SHA-256 failed");
  }
  return {digest.begin(), digest.end()};
}

bool constant_time_equal(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         (left.empty() || CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0);
}

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = skip_ascii(bytes, 0); at < bytes.size(); at = skip_ascii(bytes, at)) {
    const std::size_t length = utf8_sequence(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = utf8_sequence(bytes, at);
    out += length == 0 ? "\xEF\xBF\xBD" : bytes.substr(at, length);
    at += length == 0 ? 1 : length;
  }
  return out;
}

bool is_printable(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = utf8_sequence(bytes, at);
    if (length == 0 || is_invisible(code_point(bytes.substr(at, length)))) return false;
    at += length;
  }
  return true;
}

std::size_t utf8_length(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) {
    if ((static_cast<std::uint8_t>(c) & 0xC0U) != 0x80) ++count;
  }
  return count;
}

}  // namespace webhookd
