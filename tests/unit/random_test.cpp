#include "shared/random.h"

#include <array>
#include <catch2/catch.hpp>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_random.h"

using namespace webhookd;

namespace {

// Gives the draws that it was told to give.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(std::vector<std::uint64_t> draws) : draws_(std::move(draws)) {}
  void fill(std::span<std::uint8_t> out) override {
    REQUIRE(used_ < draws_.size());
    std::uint64_t draw = draws_[used_++];
    for (std::size_t i = out.size(); i-- > 0; draw >>= 8U) {
      out[i] = static_cast<std::uint8_t>(draw);
    }
  }
  std::size_t used() const { return used_; }

 private:
  std::vector<std::uint64_t> draws_;
  std::size_t used_ = 0;
};

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("the system's random bytes differ from call to call") {
  SystemRandom random;
  const std::string first = random.bytes(32);
  CHECK(first.size() == 32);
  CHECK(first != random.bytes(32));
  CHECK(random.bytes(0).empty());
}

TEST_CASE("no small draw is given twice, to one thread or to several") {
  SystemRandom random;
  std::array<std::vector<std::string>, 4> drawn;
  {
    std::vector<std::jthread> threads;
    for (std::vector<std::string>& mine : drawn) {
      threads.emplace_back([&random, &mine] {
        for (std::size_t i = 0; i < 2000; ++i) mine.push_back(random.bytes(8 + i % 9));
      });
    }
  }
  std::set<std::string> beginnings;
  for (const std::vector<std::string>& mine : drawn) {
    for (const std::string& bytes : mine) beginnings.insert(bytes.substr(0, 8));
  }
  CHECK(beginnings.size() == 8000);
}

TEST_CASE("a draw below a bound throws away what would favour the low results") {
  // 2^64 mod 10 is 6: the draws 0 to 5 are the ones too many.
  ScriptedRandom random{{0, 5, 6}};
  CHECK(random.below(10) == 6);
  CHECK(random.used() == 3);
}

TEST_CASE("a draw below a bound reaches both ends") {
  ScriptedRandom random{{10, kMost, 0, kMost - 1}};
  CHECK(random.below(10) == 0);
  CHECK(random.below(10) == 5);
  CHECK(random.below(1) == 0);
  CHECK(random.below(kMost) == kMost - 1);
}

TEST_CASE("every result below a bound comes about equally often") {
  FakeRandom random{42};
  std::array<int, 7> counts{};
  for (int i = 0; i < 7000; ++i) ++counts.at(random.below(7));
  for (const int count : counts) CHECK((count > 850 && count < 1150));
}

TEST_CASE("a unit draw is at least 0 and less than 1") {
  ScriptedRandom random{{0, kMost, std::uint64_t{1} << 63U}};
  CHECK(random.unit() == 0.0);
  const double most = random.unit();
  CHECK(most < 1.0);
  CHECK(most > 0.999999);
  CHECK(random.unit() == 0.5);
}

TEST_CASE("the fake gives the same bytes for the same seed only") {
  CHECK(FakeRandom{7}.bytes(16) == FakeRandom{7}.bytes(16));
  CHECK(FakeRandom{7}.bytes(16) != FakeRandom{8}.bytes(16));
}
