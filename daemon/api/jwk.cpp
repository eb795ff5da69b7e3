#include "api/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "shared/encoding.h"

namespace webhookd {
namespace {

using AnyJson = nlohmann::json;

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 16384;
constexpr std::size_t kMinSymmetricBytes = 32;
constexpr std::size_t kMaxKeys = 100;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};
using BigNumber = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using PublicKey = std::shared_ptr<EVP_PKEY>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

BigNumber big_number(std::string_view bytes) {
  return BigNumber(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

std::optional<std::string> text_member(const AnyJson& jwk, const char* name) {
  const auto found = jwk.find(name);
  if (found == jwk.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::string> bytes_member(const AnyJson& jwk, const char* name) {
  const auto text = text_member(jwk, name);
  return text ? base64url_decode(*text) : std::nullopt;
}

PublicKey key_from(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* made = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  PublicKey key(made, EVP_PKEY_free);
  const KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, made, nullptr));
  return check && EVP_PKEY_public_check(check.get()) == 1 ? key : nullptr;
}

PublicKey rsa_key(const AnyJson& jwk) {
  const auto modulus = bytes_member(jwk, "n");
  const auto exponent = bytes_member(jwk, "e");
  if (!modulus || !exponent || modulus->size() > kMaxRsaBits / 8 || exponent->size() > 8) {
    return nullptr;
  }
  const BigNumber n = big_number(*modulus);
  const BigNumber e = big_number(*exponent);
  if (BN_num_bits(n.get()) < kMinRsaBits || BN_num_bits(e.get()) < 2 || BN_is_odd(e.get()) != 1) {
    return nullptr;
  }
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return key_from("RSA", builder.get());
}

struct Curve {
  std::string_view name;
  const char* group;
  std::size_t bytes;  // of a coordinate, and of each half of a signature
  JwtAlgorithm algorithm;
};
constexpr std::array kCurves{Curve{"P-256", "prime256v1", 32, JwtAlgorithm::es256},
                             Curve{"P-384", "secp384r1", 48, JwtAlgorithm::es384},
                             Curve{"P-521", "secp521r1", 66, JwtAlgorithm::es512}};

PublicKey ec_key(const AnyJson& jwk, const Curve& curve) {
  const auto x = bytes_member(jwk, "x");
  const auto y = bytes_member(jwk, "y");
  if (!x || !y || x->size() != curve.bytes || y->size() != curve.bytes) return nullptr;
  const std::string point = "\x04" + *x + *y;  // uncompressed, SEC 1 section 2.3.3
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  return key_from("EC", builder.get());
}

PublicKey ed25519_key(const AnyJson& jwk) {
  const auto x = bytes_member(jwk, "x");
  if (text_member(jwk, "crv") != "Ed25519" || !x || x->size() != 32) return nullptr;
  EVP_PKEY* made = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x), x->size());
  return made == nullptr ? nullptr : PublicKey(made, EVP_PKEY_free);
}

bool is_for_verifying(const AnyJson& jwk) {
  if (jwk.contains("use") && text_member(jwk, "use") != "sig") return false;
  const auto operations = jwk.find("key_ops");
  if (operations == jwk.end()) return true;
  return operations->is_array() &&
         std::find(operations->begin(), operations->end(), "verify") != operations->end();
}

bool is_rsa(JwtAlgorithm algorithm) {
  return algorithm >= JwtAlgorithm::rs256 && algorithm <= JwtAlgorithm::ps512;
}

bool is_pss(JwtAlgorithm algorithm) {
  return algorithm >= JwtAlgorithm::ps256 && algorithm <= JwtAlgorithm::ps512;
}

const EVP_MD* digest_of(JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::hs256:
    case JwtAlgorithm::rs256:
    case JwtAlgorithm::ps256:
    case JwtAlgorithm::es256:
      return EVP_sha256();
    case JwtAlgorithm::rs384:
    case JwtAlgorithm::ps384:
    case JwtAlgorithm::es384:
      return EVP_sha384();
    case JwtAlgorithm::rs512:
    case JwtAlgorithm::ps512:
    case JwtAlgorithm::es512:
      return EVP_sha512();
    case JwtAlgorithm::eddsa:
      return nullptr;
  }
  return nullptr;
}

const Curve* curve_of(JwtAlgorithm algorithm) {
  const auto* found = std::find_if(kCurves.begin(), kCurves.end(), [&](const Curve& curve) {
    return curve.algorithm == algorithm;
  });
  return found == kCurves.end() ? nullptr : found;
}

// A JWS carries r and s side by side, each at full length (RFC 7518 section 3.4); OpenSSL wants
// DER. Empty when the length is another.
std::string der_signature(std::string_view signature, std::size_t half) {
  if (signature.size() != 2 * half) return "";
  const EcSignature pair(ECDSA_SIG_new());
  BigNumber r = big_number(signature.substr(0, half));
  BigNumber s = big_number(signature.substr(half));
  if (!pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return "";
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(pair.get(), &der);
  if (length <= 0) return "";
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return text;
}

}  // namespace

std::optional<JwtAlgorithm> parse_jwt_algorithm(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, JwtAlgorithm>, 11> kNames{{
      {"HS256", JwtAlgorithm::hs256},
      {"RS256", JwtAlgorithm::rs256},
      {"RS384", JwtAlgorithm::rs384},
      {"RS512", JwtAlgorithm::rs512},
      {"PS256", JwtAlgorithm::ps256},
      {"PS384", JwtAlgorithm::ps384},
      {"PS512", JwtAlgorithm::ps512},
      {"ES256", JwtAlgorithm::es256},
      {"ES384", JwtAlgorithm::es384},
      {"ES512", JwtAlgorithm::es512},
      {"EdDSA", JwtAlgorithm::eddsa},
  }};
  const auto* found = std::find_if(kNames.begin(), kNames.end(),
                                   [&](const auto& pair) { return pair.first == name; });
  if (found == kNames.end()) return std::nullopt;
  return found->second;
}

VerificationKey VerificationKey::symmetric(std::optional<std::string> kid, std::string secret) {
  VerificationKey key;
  key.kid_ = std::move(kid);
  key.secret_ = std::move(secret);
  return key;
}

bool VerificationKey::verify(std::string_view message, std::string_view signature) const {
  if (algorithm_ == JwtAlgorithm::hs256) {
    return constant_time_equal(hmac_sha256(secret_, message), signature);
  }
  std::string der;
  if (const Curve* curve = curve_of(algorithm_)) {
    der = der_signature(signature, curve->bytes);
    if (der.empty()) return false;
    signature = der;
  }
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;  // owned by `context`
  if (!context || EVP_DigestVerifyInit(context.get(), &settings, digest_of(algorithm_), nullptr,
                                       key_.get()) != 1) {
    return false;
  }
  if (is_pss(algorithm_) &&
      (EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message),
                          message.size()) == 1;
}

std::optional<VerificationKey> parse_jwk(const AnyJson& jwk) {
  if (!jwk.is_object() || !is_for_verifying(jwk)) return std::nullopt;
  VerificationKey key;
  key.kid_ = text_member(jwk, "kid");
  const auto type = text_member(jwk, "kty");
  std::optional<JwtAlgorithm> implied;
  if (type == "RSA") {
    implied = JwtAlgorithm::rs256;
    key.key_ = rsa_key(jwk);
  } else if (type == "EC") {
    const auto name = text_member(jwk, "crv");
    const auto* curve = std::find_if(kCurves.begin(), kCurves.end(),
                                     [&](const Curve& each) { return each.name == name; });
    if (curve == kCurves.end()) return std::nullopt;
    implied = curve->algorithm;
    key.key_ = ec_key(jwk, *curve);
  } else if (type == "OKP") {
    implied = JwtAlgorithm::eddsa;
    key.key_ = ed25519_key(jwk);
  } else if (type == "oct") {
    implied = JwtAlgorithm::hs256;
    key.secret_ = bytes_member(jwk, "k").value_or("");
  }
  const bool usable = implied == JwtAlgorithm::hs256 ? key.secret_.size() >= kMinSymmetricBytes
                                                     : key.key_ != nullptr;
  if (!implied || !usable) return std::nullopt;
  key.algorithm_ = *implied;
  if (!jwk.contains("alg")) return key;
  const auto named = parse_jwt_algorithm(text_member(jwk, "alg").value_or(""));
  if (!named || (named != implied && !(is_rsa(*named) && is_rsa(*implied)))) return std::nullopt;
  key.algorithm_ = *named;
  return key;
}

std::vector<VerificationKey> parse_jwks(std::string_view text) {
  const AnyJson set = AnyJson::parse(text, nullptr, false);
  if (set.is_discarded() || !set.is_object()) throw std::runtime_error("it is no JSON object");
  const auto keys = set.find("keys");
  if (keys == set.end() || !keys->is_array()) throw std::runtime_error("it has no list \"keys\"");
  if (keys->size() > kMaxKeys) throw std::runtime_error("it holds more than 100 keys");
  std::vector<VerificationKey> usable;
  for (const AnyJson& jwk : *keys) {
    if (auto key = parse_jwk(jwk)) usable.push_back(std::move(*key));
  }
  return usable;
}

}  // namespace webhookd
