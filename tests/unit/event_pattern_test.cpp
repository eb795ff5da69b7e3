#include "shared/event_pattern.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace webhookd;

namespace {

const std::vector<std::string> kTypes = {"user.created", "user.updated", "user.deleted",
                                         "group.created", "webhook.test"};

}  // namespace

TEST_CASE("an event type is dot-separated words of small letters, digits and _") {
  for (const auto* text : {"a", "user.created", "user.mfa_enabled", "a.b.c.1", "_"}) {
    CAPTURE(text);
    CHECK(is_event_type(text));
  }
  CHECK(is_event_type(std::string(100, 'a')));
  CHECK_FALSE(is_event_type(std::string(101, 'a')));
  for (const auto* text :
       {"", ".", ".a", "a.", "a..b", "A.b", "a-b", "a b", "a.*", "*", "\xC3\xA9"}) {
    CAPTURE(text);
    CHECK_FALSE(is_event_type(text));
  }
}

TEST_CASE("a pattern is a type, words and .*, or *") {
  for (const auto* text : {"*", "user.*", "user.created", "a.b.*", "user"}) {
    CAPTURE(text);
    CHECK(is_event_pattern(text));
  }
  for (const auto* text : {"", ".*", "**", "user*", "us*.x", "*.created", "user.*.x", "user.**",
                           "user..*", "User.*", "user.* "}) {
    CAPTURE(text);
    CHECK_FALSE(is_event_pattern(text));
  }
}

TEST_CASE("a pattern matches whole words only") {
  CHECK(pattern_matches("*", "user.created"));
  CHECK(pattern_matches("user.created", "user.created"));
  CHECK(pattern_matches("user.*", "user.created"));
  CHECK(pattern_matches("user.*", "user.a.b"));
  CHECK_FALSE(pattern_matches("user.*", "user"));
  CHECK_FALSE(pattern_matches("user.*", "users.created"));
  CHECK_FALSE(pattern_matches("user.*", "group.created"));
  CHECK_FALSE(pattern_matches("user", "user.created"));
  CHECK_FALSE(pattern_matches("user.created", "user.created_twice"));
  CHECK_FALSE(pattern_matches("user.*", "user."));
}

TEST_CASE("a slip of the finger finds what was meant") {
  CHECK(nearest("user.craeted", kTypes) == "user.created");
  CHECK(nearest("usr.created", kTypes) == "user.created");
  CHECK(nearest("group.create", kTypes) == "group.created");
  CHECK(nearest("user.created", kTypes) == "user.created");
  CHECK(nearest("user.removed", kTypes) == "user.created");
}

TEST_CASE("two neighbours swapped count once") {
  const std::vector<std::string> candidates = {"abxx", "badc"};
  CHECK(nearest("abcd", candidates) == "abxx");
  const std::vector<std::string> swapped = {"xbcy", "abdc"};
  CHECK(nearest("abcd", swapped) == "abdc");
}

TEST_CASE("nothing is near to what is something else") {
  CHECK_FALSE(nearest("invoice.paid", kTypes));
  CHECK_FALSE(nearest("", kTypes));
  CHECK_FALSE(nearest("user.created", std::vector<std::string>{}));
  CHECK_FALSE(nearest(std::string(100'000, 'a'), kTypes));
}

TEST_CASE("the closest is found however far it is, but for a text that is no name") {
  CHECK(closest("user.craeted", kTypes) == "user.created");
  CHECK(closest("created", kTypes) == "user.created");
  CHECK(closest("invoice.paid", kTypes));
  CHECK(closest("", kTypes));
  CHECK_FALSE(closest("user.created", std::vector<std::string>{}));
  CHECK_FALSE(closest(std::string(100'000, 'a'), kTypes));
}

TEST_CASE("a short word may differ in two letters, a long one in a third") {
  CHECK(nearest("ab", std::vector<std::string>{"cd"}) == "cd");
  CHECK_FALSE(nearest("ab", std::vector<std::string>{"cde"}));
  CHECK(nearest("abcdefghijkl", std::vector<std::string>{"abcdefghXXXX"}));
  CHECK_FALSE(nearest("abcdefghijkl", std::vector<std::string>{"abcdefgXXXXX"}));
}

TEST_CASE("of two candidates equally near the first by alphabet is named, in whatever order") {
  CHECK(nearest("ac", std::vector<std::string>{"ad", "ab"}) == "ab");
  CHECK(nearest("ac", std::vector<std::string>{"ab", "ad"}) == "ab");
}
