#include "store/seal.h"

#include <catch2/catch.hpp>

#include "shared/random.h"

namespace webhookd::test {
namespace {

struct Sealed {
  SystemRandom random;
  Sealer sealer{SealingKey(std::string(32, 'k')), random};
  std::string value = sealer.seal("whk_1", "secret", "clear text");
};

TEST_CASE("a sealed value opens to what it was, and never looks the same twice") {
  Sealed s;
  CHECK(s.sealer.unseal("whk_1", "secret", s.value) == "clear text");
  CHECK(s.sealer.seal("whk_1", "secret", "clear text") != s.value);
  CHECK(s.value.find("clear") == std::string::npos);
  CHECK(s.sealer.unseal("w", "f", s.sealer.seal("w", "f", "")).empty());
}

TEST_CASE("a sealed value is good for its owner and field only") {
  Sealed s;
  CHECK_THROWS_AS(s.sealer.unseal("whk_2", "secret", s.value), StoreError);
  CHECK_THROWS_AS(s.sealer.unseal("whk_1", "headers", s.value), StoreError);
  const std::string shifted = s.sealer.seal("ab", "c", "x");
  CHECK_THROWS_AS(s.sealer.unseal("a", "bc", shifted), StoreError);
}

TEST_CASE("a change of any byte of a sealed value is noticed") {
  Sealed s;
  for (std::size_t index = 0; index < s.value.size(); ++index) {
    std::string changed = s.value;
    changed[index] = static_cast<char>(changed[index] ^ 1);
    CHECK_THROWS_AS(s.sealer.unseal("whk_1", "secret", changed), StoreError);
  }
  CHECK_THROWS_AS(s.sealer.unseal("whk_1", "secret", ""), StoreError);
  CHECK_THROWS_AS(s.sealer.unseal("whk_1", "secret", s.value.substr(0, 20)), StoreError);
}

TEST_CASE("another key opens nothing") {
  Sealed s;
  const Sealer other(SealingKey(std::string(32, 'x')), s.random);
  CHECK_THROWS_AS(other.unseal("whk_1", "secret", s.value), StoreError);
}

}  // namespace
}  // namespace webhookd::test
