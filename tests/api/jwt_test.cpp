// Longer than most: one attack after another on one function, with the keys that they share.

#include "api/jwt.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "shared/encoding.h"

namespace webhookd {
namespace {

using AnyJson = nlohmann::json;

const Timestamp kNow = from_unix_millis(1'795'424'400'000);

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

Key rsa(unsigned bits) { return Key(EVP_RSA_gen(bits)); }
Key curve(const char* name) { return Key(EVP_EC_gen(name)); }
Key ed25519() { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

std::string number(const Key& key, const char* name) {
  BIGNUM* value = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key.get(), name, &value) == 1);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(value);
  return bytes;
}

AnyJson rsa_jwk(const Key& key) {
  return {{"kty", "RSA"},
          {"kid", "k"},
          {"n", base64url_encode(number(key, "n"))},
          {"e", base64url_encode(number(key, "e"))}};
}

AnyJson ec_jwk(const Key& key, const char* name, std::size_t size) {
  const auto padded = [&](const char* coordinate) {
    const std::string bytes = number(key, coordinate);
    return base64url_encode(std::string(size - bytes.size(), '\0') + bytes);
  };
  return {{"kty", "EC"}, {"kid", "k"}, {"crv", name}, {"x", padded("qx")}, {"y", padded("qy")}};
}

AnyJson ed25519_jwk(const Key& key) {
  std::array<unsigned char, 32> raw{};
  std::size_t size = raw.size();
  REQUIRE(EVP_PKEY_get_raw_public_key(key.get(), raw.data(), &size) == 1);
  const std::string bytes(raw.begin(), raw.end());
  return {{"kty", "OKP"}, {"kid", "k"}, {"crv", "Ed25519"}, {"x", base64url_encode(bytes)}};
}

struct Pss {
  int salt = 0;  // 0: PKCS #1 v1.5
};

std::string sign(const Key& key, const EVP_MD* digest, const std::string& text, Pss pss = {}) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* settings = nullptr;
  REQUIRE(EVP_DigestSignInit(context, &settings, digest, nullptr, key.get()) == 1);
  if (pss.salt != 0) {
    REQUIRE(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1);
    REQUIRE(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, pss.salt) == 1);
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  REQUIRE(EVP_DigestSign(context, nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  REQUIRE(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                         text.size()) == 1);
  EVP_MD_CTX_free(context);
  signature.resize(size);
  return signature;
}

// r and s side by side.
std::string raw_ecdsa(const std::string& der, std::size_t half) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  REQUIRE(pair != nullptr);
  std::string raw(2 * half, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, static_cast<int>(half));
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, static_cast<int>(half));
  ECDSA_SIG_free(pair);
  return raw;
}

AnyJson good_claims() {
  return {{"sub", "alice"}, {"role", "super_admin"}, {"exp", unix_seconds(kNow) + 600}};
}

std::string unsigned_text(const AnyJson& header, const AnyJson& claims = good_claims()) {
  return base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
}

std::string with(const std::string& text, const std::string& signature) {
  return text + "." + base64url_encode(signature);
}

std::vector<VerificationKey> keys_of(const AnyJson& jwk) {
  return parse_jwks(AnyJson{{"keys", {jwk}}}.dump());
}

bool accepts(const std::string& token, const std::vector<VerificationKey>& keys,
             const JwtRules& rules = {}) {
  return std::holds_alternative<Claims>(verify_jwt(token, keys, rules, kNow));
}

const std::string kShared(32, 's');

AnyJson shared_jwk() { return {{"kty", "oct"}, {"kid", "k"}, {"k", base64url_encode(kShared)}}; }

// A token of kShared with these claims on top of the good ones; null takes one away.
std::string hs256_token(const AnyJson& more = AnyJson::object()) {
  AnyJson claims = good_claims();
  for (const auto& [name, value] : more.items()) {
    if (value.is_null()) {
      claims.erase(name);
    } else {
      claims[name] = value;
    }
  }
  return sign_hs256(kShared, "k", claims.dump());
}

bool accepts_claims(const AnyJson& more, const JwtRules& rules = {}) {
  return accepts(hs256_token(more), keys_of(shared_jwk()), rules);
}

}  // namespace

TEST_CASE("the HS256 example of RFC 7515 appendix A.1 verifies") {
  const AnyJson jwk = {
      {"kty", "oct"},
      {"k",
       "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}};
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"
      "VlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const auto then = from_unix_millis(1'300'819'000'000);
  CHECK(std::holds_alternative<Claims>(verify_jwt(token, keys_of(jwk), {"joe", {}}, then)));
  const auto late = verify_jwt(token, keys_of(jwk), {}, kNow);
  CHECK(std::get<JwtFault>(late).reason == "The token has expired");
}

TEST_CASE("the ES256 key of RFC 7515 appendix A.3 verifies its example and no other text") {
  const AnyJson jwk = {{"kty", "EC"},
                       {"crv", "P-256"},
                       {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                       {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
  const std::string text =
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"
      "VlfQ";
  const std::string signature = *base64url_decode(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
  const auto key = parse_jwk(jwk);
  REQUIRE(key.has_value());
  CHECK(key->algorithm() == JwtAlgorithm::es256);
  CHECK(key->verify(text, signature));
  CHECK_FALSE(key->verify(text + "x", signature));
}

TEST_CASE("the Ed25519 example of RFC 8037 appendix A.4 verifies") {
  const auto key = parse_jwk(
      {{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}});
  REQUIRE(key.has_value());
  CHECK(key->algorithm() == JwtAlgorithm::eddsa);
  const std::string text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  const std::string signature = *base64url_decode(
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  CHECK(key->verify(text, signature));
  CHECK_FALSE(key->verify(text, std::string(64, '\0')));
}

TEST_CASE("tokens of every RSA algorithm verify with the key that names it") {
  const Key key = rsa(2048);
  struct Row {
    const char* name;
    const EVP_MD* digest;
    int salt;
  };
  for (const Row& row : {Row{"RS256", EVP_sha256(), 0}, Row{"RS384", EVP_sha384(), 0},
                         Row{"RS512", EVP_sha512(), 0}, Row{"PS256", EVP_sha256(), 32},
                         Row{"PS384", EVP_sha384(), 48}, Row{"PS512", EVP_sha512(), 64}}) {
    INFO(row.name);
    AnyJson jwk = rsa_jwk(key);
    jwk["alg"] = row.name;
    const std::string text = unsigned_text({{"alg", row.name}, {"kid", "k"}});
    const std::string signature = sign(key, row.digest, text, {row.salt});
    CHECK(accepts(with(text, signature), keys_of(jwk)));
    std::string other = signature;
    other[10] = static_cast<char>(other[10] ^ 1);
    CHECK_FALSE(accepts(with(text, other), keys_of(jwk)));
    jwk["alg"] = row.name == std::string("RS512") ? "RS256" : "RS512";
    CHECK_FALSE(accepts(with(text, signature), keys_of(jwk)));
  }
}

TEST_CASE("an RSA key without alg takes RS256 alone") {
  const Key key = rsa(2048);
  const std::string rs = unsigned_text({{"alg", "RS256"}, {"kid", "k"}});
  CHECK(accepts(with(rs, sign(key, EVP_sha256(), rs)), keys_of(rsa_jwk(key))));
  const std::string ps = unsigned_text({{"alg", "PS256"}, {"kid", "k"}});
  CHECK_FALSE(accepts(with(ps, sign(key, EVP_sha256(), ps, {32})), keys_of(rsa_jwk(key))));
}

TEST_CASE("a PSS signature must have a salt as long as its digest") {
  const Key key = rsa(2048);
  AnyJson jwk = rsa_jwk(key);
  jwk["alg"] = "PS256";
  const std::string text = unsigned_text({{"alg", "PS256"}, {"kid", "k"}});
  CHECK_FALSE(accepts(with(text, sign(key, EVP_sha256(), text, {20})), keys_of(jwk)));
}

TEST_CASE("tokens of every curve verify, with both halves of the signature at full length") {
  struct Row {
    const char* algorithm;
    const char* crv;
    const char* name;
    std::size_t size;
    const EVP_MD* digest;
  };
  for (const Row& row : {Row{"ES256", "P-256", "P-256", 32, EVP_sha256()},
                         Row{"ES384", "P-384", "P-384", 48, EVP_sha384()},
                         Row{"ES512", "P-521", "P-521", 66, EVP_sha512()}}) {
    INFO(row.algorithm);
    const Key key = curve(row.name);
    const auto keys = keys_of(ec_jwk(key, row.crv, row.size));
    const std::string text = unsigned_text({{"alg", row.algorithm}, {"kid", "k"}});
    const std::string der = sign(key, row.digest, text);
    const std::string raw = raw_ecdsa(der, row.size);
    CHECK(accepts(with(text, raw), keys));
    CHECK_FALSE(accepts(with(text, der), keys));
    CHECK_FALSE(accepts(with(text, raw + '\0'), keys));
    CHECK_FALSE(accepts(with(text, raw.substr(1)), keys));
    CHECK_FALSE(accepts(with(text, std::string(2 * row.size, '\0')), keys));
    CHECK_FALSE(accepts(with(text, ""), keys));
  }
}

TEST_CASE("an EdDSA token verifies with an Ed25519 key") {
  const Key key = ed25519();
  const auto keys = keys_of(ed25519_jwk(key));
  const std::string text = unsigned_text({{"alg", "EdDSA"}, {"kid", "k"}});
  CHECK(accepts(with(text, sign(key, nullptr, text)), keys));
  CHECK_FALSE(accepts(with(text, std::string(64, 'x')), keys));
}

TEST_CASE("an unsigned token is refused however it spells none") {
  for (const char* name : {"none", "None", "NONE", "", "nOnE"}) {
    const std::string text = unsigned_text({{"alg", name}, {"kid", "k"}});
    CHECK_FALSE(accepts(text + ".", keys_of(shared_jwk())));
    CHECK_FALSE(accepts(with(text, hmac_sha256(kShared, text)), keys_of(shared_jwk())));
    CHECK_FALSE(accepts(text, keys_of(shared_jwk())));
  }
}

TEST_CASE("a public RSA key cannot be used as an HMAC secret") {
  const Key key = rsa(2048);
  const AnyJson jwk = rsa_jwk(key);
  const std::string text = unsigned_text({{"alg", "HS256"}, {"kid", "k"}});
  for (const std::string& secret :
       {number(key, "n"), jwk["n"].get<std::string>(), jwk.dump(), std::string()}) {
    CHECK_FALSE(accepts(with(text, hmac_sha256(secret, text)), keys_of(jwk)));
  }
}

TEST_CASE("a token is verified with the key that its kid names and with no other") {
  const Key first = rsa(2048);
  const Key second = rsa(2048);
  AnyJson one = rsa_jwk(first);
  AnyJson two = rsa_jwk(second);
  one["kid"] = "one";
  two["kid"] = "two";
  const auto keys = parse_jwks(AnyJson{{"keys", {one, two}}}.dump());
  const auto token = [&](const AnyJson& header) {
    const std::string text = unsigned_text(header);
    return with(text, sign(first, EVP_sha256(), text));
  };
  CHECK(accepts(token({{"alg", "RS256"}, {"kid", "one"}}), keys));
  CHECK_FALSE(accepts(token({{"alg", "RS256"}, {"kid", "two"}}), keys));
  CHECK_FALSE(accepts(token({{"alg", "RS256"}, {"kid", "three"}}), keys));
  CHECK_FALSE(accepts(token({{"alg", "RS256"}, {"kid", 1}}), keys));
  CHECK_FALSE(accepts(token({{"alg", "RS256"}}), keys));
  CHECK(accepts(token({{"alg", "RS256"}}), keys_of(one)));
}

TEST_CASE("keys inside a token are ignored") {
  const Key trusted = rsa(2048);
  const Key forged = rsa(2048);
  AnyJson header = {{"alg", "RS256"}, {"kid", "k"}};
  header["jwk"] = rsa_jwk(forged);
  header["jku"] = "https://attacker.example/keys";
  header["x5u"] = "https://attacker.example/cert";
  header["x5c"] = AnyJson::array({"AAAA"});
  const std::string text = unsigned_text(header);
  CHECK_FALSE(accepts(with(text, sign(forged, EVP_sha256(), text)), keys_of(rsa_jwk(trusted))));
  CHECK(accepts(with(text, sign(trusted, EVP_sha256(), text)), keys_of(rsa_jwk(trusted))));
}

TEST_CASE("a token with critical extensions is refused") {
  for (const AnyJson& crit : {AnyJson::array({"b64"}), AnyJson::array(), AnyJson()}) {
    const std::string text = unsigned_text({{"alg", "HS256"}, {"kid", "k"}, {"crit", crit}});
    CHECK_FALSE(accepts(with(text, hmac_sha256(kShared, text)), keys_of(shared_jwk())));
  }
}

TEST_CASE("keys that are too weak, for another use or off their curve are no keys") {
  CHECK_FALSE(parse_jwk(rsa_jwk(rsa(1024))).has_value());
  AnyJson jwk = rsa_jwk(rsa(2048));
  CHECK(parse_jwk(jwk).has_value());
  jwk["use"] = "enc";
  CHECK_FALSE(parse_jwk(jwk).has_value());
  jwk["use"] = "sig";
  jwk["key_ops"] = {"sign"};
  CHECK_FALSE(parse_jwk(jwk).has_value());
  jwk["key_ops"] = {"verify"};
  CHECK(parse_jwk(jwk).has_value());
  jwk["alg"] = "ES256";
  CHECK_FALSE(parse_jwk(jwk).has_value());
  jwk["alg"] = "RSA-OAEP";
  CHECK_FALSE(parse_jwk(jwk).has_value());
  jwk["alg"] = "HS256";
  CHECK_FALSE(parse_jwk(jwk).has_value());

  AnyJson point = ec_jwk(curve("P-256"), "P-256", 32);
  CHECK(parse_jwk(point).has_value());
  point["crv"] = "P-384";
  CHECK_FALSE(parse_jwk(point).has_value());
  point["crv"] = "P-256";
  point["y"] = base64url_encode(std::string(32, '\1'));
  CHECK_FALSE(parse_jwk(point).has_value());

  CHECK_FALSE(parse_jwk({{"kty", "oct"}, {"k", base64url_encode("short")}}).has_value());
  CHECK_FALSE(parse_jwk({{"kty", "oct"}}).has_value());
  CHECK_FALSE(parse_jwk({{"kty", "OKP"}, {"crv", "X25519"}, {"x", "AAAA"}}).has_value());
  CHECK_FALSE(parse_jwk(AnyJson::array()).has_value());
}

TEST_CASE("a key set says why it is of no use") {
  for (const char* text : {"", "[]", "{}", R"({"keys":{}})"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_jwks(text), std::runtime_error);
  }
  for (const char* text : {R"({"keys":[]})", R"({"keys":[{"kty":"RSA"}]})"}) {
    INFO(text);
    CHECK(parse_jwks(text).empty());
  }
  const std::string mixed = AnyJson{{"keys", {{{"kty", "unknown"}}, shared_jwk()}}}.dump();
  CHECK(parse_jwks(mixed).size() == 1);
}

TEST_CASE("a token must expire, and has a minute of grace for clocks that differ") {
  const std::int64_t now = unix_seconds(kNow);
  CHECK_FALSE(accepts_claims({{"exp", nullptr}}));
  CHECK_FALSE(accepts_claims({{"exp", std::to_string(now + 600)}}));
  CHECK_FALSE(accepts_claims({{"exp", true}}));
  CHECK(accepts_claims({{"exp", now - 59}}));
  CHECK_FALSE(accepts_claims({{"exp", now - 60}}));
  CHECK(accepts_claims({{"exp", static_cast<double>(now) + 0.5}}));
  CHECK(accepts_claims({{"exp", 1e300}}));
  CHECK_FALSE(accepts_claims({{"exp", -1e300}}));
  CHECK(accepts_claims({{"nbf", now + 60}}));
  CHECK_FALSE(accepts_claims({{"nbf", now + 61}}));
  CHECK_FALSE(accepts_claims({{"nbf", "soon"}}));
}

TEST_CASE("issuer and audience count when they are configured") {
  const JwtRules rules{"https://id.example", "webhookd"};
  CHECK(accepts_claims({{"iss", "https://id.example"}, {"aud", "webhookd"}}, rules));
  CHECK(accepts_claims({{"iss", "https://id.example"}, {"aud", {"other", "webhookd"}}}, rules));
  CHECK_FALSE(accepts_claims({{"iss", "https://id.example/"}, {"aud", "webhookd"}}, rules));
  CHECK_FALSE(accepts_claims({{"iss", {"https://id.example"}}, {"aud", "webhookd"}}, rules));
  CHECK_FALSE(accepts_claims({{"iss", "https://id.example"}, {"aud", "other"}}, rules));
  CHECK_FALSE(accepts_claims({{"iss", "https://id.example"}, {"aud", AnyJson::array()}}, rules));
  CHECK_FALSE(accepts_claims({{"iss", "https://id.example"}}, rules));
  CHECK_FALSE(accepts_claims({{"aud", "webhookd"}}, rules));
  CHECK(accepts_claims({{"iss", "anyone"}, {"aud", "anything"}}));
}

TEST_CASE("what is no compact token is refused") {
  const auto keys = keys_of(shared_jwk());
  const std::string good = hs256_token();
  REQUIRE(accepts(good, keys));
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("..."), good + ".",
        good + "=", " " + good, good + " ", good.substr(0, good.size() - 1), good + "A",
        std::string("\0", 1) + good, std::string(9000, 'a'), "e30." + good}) {
    CHECK_FALSE(accepts(token, keys));
  }
  const auto signed_payload = [&](const std::string& payload) {
    return sign_hs256(kShared, "k", payload);
  };
  const std::string exp = R"("exp":99999999999)";
  CHECK(accepts(signed_payload("{" + exp + "}"), keys));
  CHECK_FALSE(accepts(signed_payload("{" + exp + R"(,"role":"a","role":"super_admin"})"), keys));
  CHECK_FALSE(accepts(signed_payload("{" + exp), keys));
  CHECK_FALSE(accepts(signed_payload("[]"), keys));
  CHECK_FALSE(accepts(signed_payload("null"), keys));
  CHECK_FALSE(accepts(signed_payload("{" + exp + ",\"sub\":\"\xff\"}"), keys));
  const std::string padding(8 * 1024, 'x');
  CHECK_FALSE(accepts(hs256_token({{"pad", padding}}), keys));
}

TEST_CASE("claims of the wrong type give no rights") {
  const auto claims = [](const AnyJson& more) {
    return std::get<Claims>(verify_jwt(hs256_token(more), keys_of(shared_jwk()), {}, kNow));
  };
  CHECK(claims({{"role", 1}}).role == "?");
  for (const AnyJson& id : {AnyJson(5), AnyJson(""), AnyJson(false), AnyJson::array({"t1"})}) {
    CHECK(claims({{"tenant_id", id}}).tenant_id == "");
    CHECK(claims({{"partner_id", id}}).partner_id == "");
  }
  CHECK_FALSE(claims({{"platform_token", "true"}}).platform_token);
  CHECK_FALSE(claims({{"platform_token", 1}}).platform_token);
  CHECK(claims({{"platform_token", true}}).platform_token);
  CHECK(claims({{"scope", "a  b"}}).scope == std::vector<std::string>{"a", "b"});
  CHECK(claims({{"scope", {"a", "b", 3}}}).scope == std::vector<std::string>{"a", "b"});
  CHECK(claims({{"scope", 7}}).scope == std::vector<std::string>{});
  CHECK_FALSE(claims({}).scope.has_value());
}

}  // namespace webhookd
