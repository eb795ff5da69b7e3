#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/random.h"

namespace webhookd {

inline constexpr std::size_t kMinSecretLength = 16;
inline constexpr std::size_t kMaxSecretLength = 256;

// A signing secret: "whsec_" and the base64 of 24...64 bytes, or 16...256 printable characters of
// the caller's own, in UTF-8.
struct Secret {
  std::string value;
  bool operator==(const Secret&) const = default;
};

// "whsec_" and 32 random bytes.
Secret new_secret(Random& random);

// Why a text may not be a secret, as a phrase; absent when it may.
std::optional<std::string> secret_fault(std::string_view text);

// The last four characters, for people to recognise it by.
std::string secret_hint(const Secret& secret);

// First 8 hex digits of SHA-256 over the webhook's id followed by the secret.
std::string secret_fingerprint(std::string_view webhook_id, const Secret& secret);

// Hex HMAC-SHA256 over "<timestamp>.<body>", keyed with the bytes of the whole secret string.
std::string scaikey_digest(const Secret& secret, std::int64_t timestamp, std::string_view body);

// "t=<timestamp>,v1=<hex>" and ",v1=<hex>" for each further secret; newest secret first.
std::string scaikey_signature(const std::vector<Secret>& secrets, std::int64_t timestamp,
                              std::string_view body);

// "v1,<base64>" over "<id>.<timestamp>.<body>", keyed with the decoded part after "whsec_"
// (Standard Webhooks 1.0). Absent for a secret of another form.
std::optional<std::string> standard_digest(const Secret& secret, std::string_view id,
                                           std::int64_t timestamp, std::string_view body);

// The digests of all secrets that have one, separated by spaces; empty when none has.
std::string standard_signature(const std::vector<Secret>& secrets, std::string_view id,
                               std::int64_t timestamp, std::string_view body);

}  // namespace webhookd
