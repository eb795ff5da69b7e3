#include "delivery/lookup_gate.h"

#include <catch2/catch.hpp>

namespace webhookd {

using Turn = LookupGate::Turn;

TEST_CASE("one host gets no more lookups at once than its bound") {
  LookupGate gate(2, 10);
  CHECK(gate.enter({1}, "a") == Turn::now);
  CHECK(gate.enter({2}, "a") == Turn::now);
  CHECK(gate.enter({3}, "a") == Turn::later);
  CHECK(gate.enter({4}, "b") == Turn::now);
  CHECK(gate.leave({1}) == TransferId{3});
  CHECK(gate.leave({2}) == std::nullopt);
  CHECK(gate.leave({3}) == std::nullopt);
  CHECK(gate.enter({5}, "a") == Turn::now);
}

TEST_CASE("in total no more lookups run than the bound") {
  LookupGate gate(2, 3);
  gate.enter({1}, "a");
  gate.enter({2}, "a");
  gate.enter({3}, "b");
  CHECK(gate.enter({4}, "b") == Turn::later);
  CHECK(gate.enter({5}, "c") == Turn::later);
  CHECK(gate.leave({1}) == TransferId{4});
  CHECK(gate.leave({3}) == TransferId{5});
}

TEST_CASE("a host with many waiting does not keep its places from others") {
  LookupGate gate(1, 1);
  gate.enter({1}, "a");
  gate.enter({2}, "a");
  gate.enter({3}, "a");
  gate.enter({4}, "b");
  CHECK(gate.leave({1}) == TransferId{4});
  CHECK(gate.leave({4}) == TransferId{2});
  CHECK(gate.leave({2}) == TransferId{3});
  CHECK(gate.leave({3}) == std::nullopt);
}

TEST_CASE("who gives up while waiting is passed over") {
  LookupGate gate(1, 1);
  gate.enter({1}, "a");
  gate.enter({2}, "b");
  gate.enter({3}, "b");
  CHECK(gate.leave({2}) == std::nullopt);
  CHECK(gate.leave({1}) == TransferId{3});
  CHECK(gate.leave({1}) == std::nullopt);
  CHECK(gate.leave({99}) == std::nullopt);
}

TEST_CASE("nobody is forgotten, whatever the order of coming and going") {
  for (unsigned seed = 1; seed < 200; ++seed) {
    CAPTURE(seed);
    LookupGate gate(2, 3);
    unsigned state = seed;
    const auto draw = [&state](unsigned bound) {
      state = state * 1'664'525U + 1'013'904'223U;
      return (state >> 16U) % bound;
    };
    std::vector<TransferId> running;
    std::size_t begun = 0;
    constexpr std::size_t kAll = 50;
    for (std::uint64_t id = 1; id <= kAll || !running.empty();) {
      if (id <= kAll && (running.empty() || draw(2) == 0)) {
        const std::string host(1, static_cast<char>('a' + draw(4)));
        if (gate.enter({id}, host) == Turn::now) {
          running.push_back({id});
          ++begun;
        }
        ++id;
        continue;
      }
      const std::size_t place = draw(static_cast<unsigned>(running.size()));
      const TransferId leaving = running[place];
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(place));
      if (const auto next = gate.leave(leaving)) {
        running.push_back(*next);
        ++begun;
      }
      REQUIRE(running.size() <= 3);
    }
    CHECK(begun == kAll);
  }
}

TEST_CASE("a lookup that was given up counts for its host until its thread has ended") {
  LookupGate gate(2, 2);
  gate.enter({1}, "a");
  gate.enter({2}, "a");
  CHECK(gate.enter({3}, "b") == Turn::later);
  CHECK(gate.enter({4}, "a") == Turn::later);
  CHECK(gate.abandon({1}) == TransferId{3});
  CHECK(gate.abandon({2}) == std::nullopt);
  CHECK(gate.enter({5}, "a") == Turn::later);
  CHECK(gate.enter({6}, "c") == Turn::now);
  CHECK(gate.leave({6}) == std::nullopt);
  CHECK(gate.leave({1}) == TransferId{4});
  CHECK(gate.leave({2}) == std::nullopt);
  CHECK(gate.leave({3}) == TransferId{5});
}

}  // namespace webhookd
