#include "api/jwt.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <vector>

#include "api/errors.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

using AnyJson = nlohmann::json;

// The three parts of a compact token, still encoded.
struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;  // header and payload with their dot
};

std::optional<Parts> split(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1), token.substr(0, second)};
}

// An object without duplicate names at its top: two readers must not see two tokens.
std::optional<AnyJson> parse_object(std::string_view encoded) {
  const auto text = base64url_decode(encoded);
  if (!text) return std::nullopt;
  std::set<std::string> names;
  bool duplicate = false;
  const auto watch = [&](int depth, AnyJson::parse_event_t event, const AnyJson& name) {
    if (event == AnyJson::parse_event_t::key && depth == 1) {
      duplicate = duplicate || !names.insert(name.get<std::string>()).second;
    }
    return true;
  };
  AnyJson value = AnyJson::parse(*text, watch, false);
  if (value.is_discarded() || !value.is_object() || duplicate) return std::nullopt;
  return value;
}

std::optional<std::string> text_claim(const AnyJson& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

bool is_present(const AnyJson& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && !found->is_null();
}

// Absent only when the claim is: one that cannot be read must not widen what its bearer reaches.
std::optional<std::string> id_claim(const AnyJson& object, const char* name) {
  if (!is_present(object, name)) return std::nullopt;
  return text_claim(object, name).value_or("");
}

std::vector<std::string> words_of(const AnyJson& scope) {
  std::vector<std::string> words;
  if (scope.is_string()) {
    std::istringstream text(scope.get<std::string>());
    for (std::string word; text >> word;) words.push_back(word);
  } else if (scope.is_array()) {
    for (const AnyJson& word : scope) {
      if (word.is_string()) words.push_back(word.get<std::string>());
    }
  }
  return words;
}

Claims claims_of(const AnyJson& payload) {
  Claims claims;
  claims.subject = text_claim(payload, "sub");
  if (claims.subject == "") claims.subject.reset();
  if (is_present(payload, "role")) claims.role = text_claim(payload, "role").value_or("?");
  claims.tenant_id = id_claim(payload, "tenant_id");
  claims.partner_id = id_claim(payload, "partner_id");
  const auto platform = payload.find("platform_token");
  claims.platform_token = platform != payload.end() && *platform == true;
  if (is_present(payload, "scope")) claims.scope = words_of(payload.at("scope"));
  return claims;
}

// Seconds since the epoch (RFC 7519 section 2: NumericDate may have a fraction).
std::optional<double> date_claim(const AnyJson& payload, const char* name) {
  const auto found = payload.find(name);
  if (found == payload.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

// Rounded down; what is far away is as far as a year has four digits.
Timestamp valid_until(const AnyJson& payload) {
  constexpr double kLatest = 253'402'300'799.0;
  const double expires = std::min(date_claim(payload, "exp").value_or(0), kLatest);
  return from_unix_millis(static_cast<std::int64_t>(std::floor(expires * 1000.0))) + kJwtLeeway;
}

std::optional<JwtFault> time_fault(const AnyJson& payload, Timestamp now) {
  const double seconds = static_cast<double>(unix_millis(now)) / 1000.0;
  const auto leeway = static_cast<double>(kJwtLeeway.count());
  const auto expires = date_claim(payload, "exp");
  if (!expires) return JwtFault{"The token has no expiry"};
  if (seconds >= *expires + leeway) return JwtFault{"The token has expired"};
  if (!payload.contains("nbf")) return std::nullopt;
  const auto begins = date_claim(payload, "nbf");
  if (!begins) return JwtFault{"The token's nbf is no number"};
  if (seconds < *begins - leeway) return JwtFault{"The token is not valid yet"};
  return std::nullopt;
}

bool names_audience(const AnyJson& payload, const std::string& audience) {
  const auto found = payload.find("aud");
  if (found == payload.end()) return false;
  if (found->is_array()) return std::find(found->begin(), found->end(), audience) != found->end();
  return *found == audience;
}

std::optional<JwtFault> claim_fault(const AnyJson& payload, const JwtRules& rules, Timestamp now) {
  if (auto fault = time_fault(payload, now)) return fault;
  if (rules.issuer && text_claim(payload, "iss") != rules.issuer) {
    return JwtFault{"The token comes from another issuer"};
  }
  if (rules.audience && !names_audience(payload, *rules.audience)) {
    return JwtFault{"The token is for another audience"};
  }
  return std::nullopt;
}

const VerificationKey* find_key(std::span<const VerificationKey> keys,
                                const std::optional<std::string>& kid, JwtAlgorithm algorithm) {
  const VerificationKey* found = nullptr;
  for (const VerificationKey& key : keys) {
    if (key.algorithm() != algorithm || (kid && key.kid() != kid)) continue;
    if (found != nullptr) return nullptr;  // which of them is meant is not ours to guess
    found = &key;
  }
  return found;
}

}  // namespace

std::variant<Claims, JwtFault> verify_jwt(std::string_view token,
                                          std::span<const VerificationKey> keys,
                                          const JwtRules& rules, Timestamp now) {
  const JwtFault malformed{"The token is malformed"};
  if (token.size() > kMaxTokenBytes) return malformed;
  const auto parts = split(token);
  if (!parts) return malformed;
  const auto header = parse_object(parts->header);
  const auto signature = base64url_decode(parts->signature);
  if (!header || !signature) return malformed;
  // No extension is understood here (RFC 7515 section 4.1.11).
  if (header->contains("crit")) return JwtFault{"The token has critical extensions"};
  const auto algorithm = parse_jwt_algorithm(text_claim(*header, "alg").value_or(""));
  if (!algorithm) return JwtFault{"The token's algorithm is not supported"};
  if (header->contains("kid") && !text_claim(*header, "kid")) return malformed;
  const VerificationKey* key = find_key(keys, text_claim(*header, "kid"), *algorithm);
  if (key == nullptr) return JwtFault{"No key fits the token"};
  if (!key->verify(parts->signed_text, *signature)) {
    return JwtFault{"The token's signature is wrong"};
  }
  const auto payload = parse_object(parts->payload);
  if (!payload) return malformed;
  if (auto fault = claim_fault(*payload, rules, now)) return std::move(*fault);
  Claims claims = claims_of(*payload);
  claims.valid_until = valid_until(*payload);
  return claims;
}

std::optional<std::string> kid_of(std::string_view token) {
  const auto parts = token.size() <= kMaxTokenBytes ? split(token) : std::nullopt;
  const auto header = parts ? parse_object(parts->header) : std::nullopt;
  return header ? text_claim(*header, "kid") : std::nullopt;
}

std::string sign_hs256(std::string_view secret, std::string_view kid, std::string_view payload) {
  const std::string header = R"({"alg":"HS256","typ":"JWT","kid":)" + json_quoted(kid) + "}";
  const std::string text = base64url_encode(header) + "." + base64url_encode(payload);
  return text + "." + base64url_encode(hmac_sha256(secret, text));
}

}  // namespace webhookd
