#pragma once

// Keys that verify tokens, from a JSON Web Key Set (RFC 7517, 7518, 8037). One algorithm a key:
// its "alg", else the one that its type implies; a token never chooses.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st;

namespace webhookd {

enum class JwtAlgorithm {
  hs256,
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  es512,
  eddsa
};

std::optional<JwtAlgorithm> parse_jwt_algorithm(std::string_view name);

// Immutable; copies share the key.
class VerificationKey {
 public:
  // `secret` holds the bytes.
  static VerificationKey symmetric(std::optional<std::string> kid, std::string secret);

  const std::optional<std::string>& kid() const { return kid_; }
  JwtAlgorithm algorithm() const { return algorithm_; }
  // Whether `signature` (as a JWS carries it, decoded) is this key's over `message`. Thread-safe.
  bool verify(std::string_view message, std::string_view signature) const;

 private:
  friend std::optional<VerificationKey> parse_jwk(const nlohmann::json& jwk);
  VerificationKey() = default;

  std::optional<std::string> kid_;
  JwtAlgorithm algorithm_ = JwtAlgorithm::hs256;
  std::string secret_;                // hs256
  std::shared_ptr<evp_pkey_st> key_;  // all others
};

// Absent for a key that is of no use here: another type, purpose or algorithm, RSA under 2048
// bits, a point off its curve, a symmetric key under 32 bytes.
std::optional<VerificationKey> parse_jwk(const nlohmann::json& jwk);

// The usable keys of a set, which may be none. Throws std::runtime_error (a phrase without a piece
// of the text) when the text is no key set.
std::vector<VerificationKey> parse_jwks(std::string_view text);

}  // namespace webhookd
