#include "store/seal.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "shared/random.h"
#include "store/sqlite_under_test.h"

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

// While it lives, no file of this process grows beyond so many bytes.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

bool can_make_key(const std::filesystem::path& path) {
  SystemRandom random;
  try {
    make_key_file(path, random);
    return true;
  } catch (const StoreError&) {
    return false;
  }
}

TEST_CASE("a key file that cannot be written whole does not appear at all") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "secret.key";
  bool made = false;
  {
    const FileSizeLimit limit(16);
    made = can_make_key(path);
  }
  CHECK_FALSE(made);
  CHECK(std::filesystem::is_empty(directory.path()));
  CHECK(can_make_key(path));
  CHECK(read_key_file(path));
}

TEST_CASE("a key file's draft that a crash has left is no obstacle, an existing key is one") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "secret.key";
  std::ofstream(path.string() + ".draft") << "half a k";
  REQUIRE(can_make_key(path));
  CHECK_FALSE(std::filesystem::exists(path.string() + ".draft"));
  const std::string first(read_key_file(path)->bytes());
  CHECK_FALSE(can_make_key(path));
  CHECK(read_key_file(path)->bytes() == first);
}

}  // namespace
}  // namespace webhookd::test
