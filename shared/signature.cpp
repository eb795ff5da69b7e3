#include "shared/signature.h"

#include "shared/encoding.h"

namespace webhookd {

namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::size_t kMinKeyBytes = 24;
constexpr std::size_t kMaxKeyBytes = 64;

// The bytes that a "whsec_" secret stands for; absent for a secret of another form.
std::optional<std::string> key_of(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  std::optional<std::string> key = base64_decode(text.substr(kPrefix.size()));
  if (key && (key->size() < kMinKeyBytes || key->size() > kMaxKeyBytes)) return std::nullopt;
  return key;
}

}  // namespace

Secret new_secret(Random& random) {
  return {std::string(kPrefix) + base64_encode(random.bytes(32))};
}

std::optional<std::string> secret_fault(std::string_view text) {
  if (text.starts_with(kPrefix)) {
    if (key_of(text)) return std::nullopt;
    return "a secret that begins with whsec_ must go on with the base64 of 24 to 64 bytes";
  }
  if (!is_printable(text)) return "a secret must consist of printable characters";
  const std::size_t length = utf8_length(text);
  if (length < kMinSecretLength || length > kMaxSecretLength) {
    return "a secret must have 16 to 256 characters";
  }
  return std::nullopt;
}

std::string secret_hint(const Secret& secret) {
  constexpr std::size_t kShown = 4;
  std::size_t begin = secret.value.size();
  while (begin > 0 && utf8_length(std::string_view(secret.value).substr(begin)) < kShown) --begin;
  return secret.value.substr(begin);
}

std::string secret_fingerprint(std::string_view webhook_id, const Secret& secret) {
  return hex_encode(sha256(std::string(webhook_id) + secret.value)).substr(0, 8);
}

std::string scaikey_digest(const Secret& secret, std::int64_t timestamp, std::string_view body) {
  std::string message = std::to_string(timestamp) + '.';
  message += body;
  return hex_encode(hmac_sha256(secret.value, message));
}

std::string scaikey_signature(const std::vector<Secret>& secrets, std::int64_t timestamp,
                              std::string_view body) {
  std::string out = "t=" + std::to_string(timestamp);
  for (const Secret& secret : secrets) out += ",v1=" + scaikey_digest(secret, timestamp, body);
  return out;
}

std::optional<std::string> standard_digest(const Secret& secret, std::string_view id,
                                           std::int64_t timestamp, std::string_view body) {
  const std::optional<std::string> key = key_of(secret.value);
  if (!key) return std::nullopt;
  std::string message{id};
  message += '.' + std::to_string(timestamp) + '.';
  message += body;
  return "v1," + base64_encode(hmac_sha256(*key, message));
}

std::string standard_signature(const std::vector<Secret>& secrets, std::string_view id,
                               std::int64_t timestamp, std::string_view body) {
  std::string out;
  for (const Secret& secret : secrets) {
    const std::optional<std::string> digest = standard_digest(secret, id, timestamp, body);
    if (!digest) continue;
    if (!out.empty()) out += ' ';
    out += *digest;
  }
  return out;
}

}  // namespace webhookd
