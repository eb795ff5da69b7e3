// Tokens that come again and again.

#include "api/authenticator.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "api/api_fixture.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

using namespace std::chrono_literals;

const std::string kSharedSecret(32, 'x');

// An authenticator with a key set, and requests that carry one token.
class TokenBench {
 public:
  TokenBench() { write_keys("one"); }

  void write_keys(const std::string& kid) const {
    const Json key = {{"kty", "oct"}, {"kid", kid}, {"k", base64url_encode(kSharedSecret)}};
    std::ofstream(folder_ / "jwks.json", std::ios::trunc) << Json{{"keys", {key}}}.dump();
  }
  Authenticator open() {
    ApiOptions options;
    options.token_key = folder_ / "token.key";
    options.jwks_file = folder_ / "jwks.json";
    return Authenticator(options, clock, random_);
  }
  std::string token(Json claims) const {
    claims["role"] = "super_admin";
    return sign_hs256(kSharedSecret, "one", claims.dump());
  }
  static int status(Authenticator& authenticator, const std::string& token) {
    HttpRequest request;
    request.headers.emplace_back("authorization", "Bearer " + token);
    try {
      authenticator.authenticate(request);
      return 200;
    } catch (const ApiError& refused) {
      return refused.status();
    }
  }
  std::int64_t now() const { return unix_seconds(clock.now()); }

  FakeClock clock;

 private:
  TemporaryFolder folder_;
  FakeRandom random_;
};

}  // namespace

TEST_CASE("a token that was good before expires all the same") {
  TokenBench bench;
  Authenticator authenticator = bench.open();
  const std::string token = bench.token({{"exp", static_cast<double>(bench.now()) + 10.5}});
  CHECK(TokenBench::status(authenticator, token) == 200);
  bench.clock.advance(70'499ms);
  CHECK(TokenBench::status(authenticator, token) == 200);
  bench.clock.advance(1ms);
  CHECK(TokenBench::status(authenticator, token) == 401);
}

TEST_CASE("a token that was good before is not valid yet once the clock is set back") {
  TokenBench bench;
  Authenticator authenticator = bench.open();
  const std::string token = bench.token({{"exp", bench.now() + 3600}, {"nbf", bench.now()}});
  CHECK(TokenBench::status(authenticator, token) == 200);
  bench.clock.set_now(bench.clock.now() - 61s);
  CHECK(TokenBench::status(authenticator, token) == 401);
}

TEST_CASE("a token that was good before is refused once its key is gone") {
  TokenBench bench;
  Authenticator authenticator = bench.open();
  const std::string token = bench.token({{"exp", bench.now() + 3600}});
  CHECK(TokenBench::status(authenticator, token) == 200);
  CHECK(TokenBench::status(authenticator, token) == 200);
  bench.write_keys("two");
  bench.clock.advance(2s);
  CHECK(TokenBench::status(authenticator, token) == 401);
  bench.write_keys("one");
  bench.clock.advance(2s);
  CHECK(TokenBench::status(authenticator, token) == 200);
}

TEST_CASE("a token that differs in one character from one that was good is refused") {
  TokenBench bench;
  Authenticator authenticator = bench.open();
  const std::string token = bench.token({{"exp", bench.now() + 3600}});
  REQUIRE(TokenBench::status(authenticator, token) == 200);
  for (const std::size_t at : {std::size_t{5}, token.size() / 2, token.size() - 3}) {
    std::string other = token;
    other[at] = other[at] == 'A' ? 'B' : 'A';
    CHECK(TokenBench::status(authenticator, other) == 401);
  }
}

TEST_CASE("more tokens than are remembered are all accepted") {
  TokenBench bench;
  Authenticator authenticator = bench.open();
  for (int serial = 0; serial < 1100; ++serial) {
    const std::string token =
        bench.token({{"exp", bench.now() + 60}, {"sub", std::to_string(serial)}});
    REQUIRE(TokenBench::status(authenticator, token) == 200);
  }
}

}  // namespace webhookd
