#pragma once

// JSON Web Tokens (RFC 7515, 7519, 8725): compact form, signed, verified with given keys only.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "api/jwk.h"
#include "api/principal.h"
#include "shared/time.h"

namespace webhookd {

// What a token must say besides its signature.
struct JwtRules {
  std::optional<std::string> issuer;
  std::optional<std::string> audience;
};

// Why a token is refused, as a sentence for its sender.
struct JwtFault {
  std::string reason;
};

inline constexpr std::size_t kMaxTokenBytes = 8 * 1024;
inline constexpr std::chrono::seconds kJwtLeeway{60};

// Verifies `token` with the one key that its "kid" and algorithm single out among `keys`.
std::variant<Claims, JwtFault> verify_jwt(std::string_view token,
                                          std::span<const VerificationKey> keys,
                                          const JwtRules& rules, Timestamp now);

// The "kid" of a token's header, unverified: tells which set of keys to look in.
std::optional<std::string> kid_of(std::string_view token);

// Signs `payload` (JSON text) with HS256.
std::string sign_hs256(std::string_view secret, std::string_view kid, std::string_view payload);

}  // namespace webhookd
