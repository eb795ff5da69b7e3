#include "shared/ids.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "support/fake_random.h"

using namespace webhookd;

TEST_CASE("a new webhook id has the form that is asked of ids, and is another each time") {
  FakeRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const WebhookId id = new_webhook_id(random);
    CHECK(is_webhook_id(id.value));
    CHECK(seen.insert(id.value).second);
  }
}

TEST_CASE("every letter and digit occurs in webhook ids") {
  FakeRandom random;
  std::set<char> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string value = new_webhook_id(random).value.substr(4);
    seen.insert(value.begin(), value.end());
  }
  CHECK(seen.size() == 62);
}

TEST_CASE("only whk_ and 16 letters or digits is a webhook id") {
  CHECK(is_webhook_id("whk_0123456789abcXYZ"));
  for (const auto* text :
       {"", "whk_", "whk_0123456789abcXY", "whk_0123456789abcXYZZ", "WHK_0123456789abcXYZ",
        "whk_0123456789abc-YZ", "0123456789abcXYZwhk_", "whk_0123456789abcX\xC3\xA9"}) {
    CAPTURE(text);
    CHECK_FALSE(is_webhook_id(text));
  }
}

TEST_CASE("an event id is a ULID that begins with its time") {
  FakeRandom random;
  const std::string id = new_event_id(from_unix_millis(1'795'424'400'000), random);
  CHECK(id.size() == 30);
  CHECK(id.substr(0, 14) == "evt_01M83T4CM0");
  CHECK(is_event_id(id));
  CHECK(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 4) == std::string::npos);
}

TEST_CASE("event ids sort by time and differ within a millisecond") {
  FakeRandom random;
  const Timestamp now = from_unix_millis(1'795'424'400'000);
  const std::string first = new_event_id(now, random);
  const std::string second = new_event_id(now, random);
  CHECK(first != second);
  const std::string later = new_event_id(now + std::chrono::milliseconds{1}, random);
  CHECK(std::max(first, second) < later);
}

TEST_CASE("all 80 random bits of an event id are used") {
  FakeRandom random;
  std::vector<std::set<char>> seen(16);
  for (int i = 0; i < 600; ++i) {
    const std::string id = new_event_id(from_unix_millis(0), random);
    for (std::size_t at = 0; at < 16; ++at) seen[at].insert(id[14 + at]);
  }
  for (const std::set<char>& letters : seen) CHECK(letters.size() == 32);
}

TEST_CASE("a caller's event id is 1 to 64 letters, digits, - or _") {
  CHECK(is_event_id("a"));
  CHECK(is_event_id("evt_A-z_9"));
  CHECK(is_event_id(std::string(64, 'x')));
  CHECK_FALSE(is_event_id(""));
  CHECK_FALSE(is_event_id(std::string(65, 'x')));
  CHECK_FALSE(is_event_id("a b"));
  CHECK_FALSE(is_event_id("a.b"));
  CHECK_FALSE(is_event_id("\xC3\xA9"));
  CHECK_FALSE(is_event_id(std::string_view("a\0b", 3)));
}

// 64-bit FNV-1a modulo 64, computed apart from this code. Shards are stored: these never change.
TEST_CASE("a webhook's shard is the same for ever") {
  CHECK(shard_of(WebhookId{"whk_0123456789abcdef"}) == 0);
  CHECK(shard_of(WebhookId{"whk_AAAAAAAAAAAAAAAA"}) == 4);
  CHECK(shard_of(WebhookId{"whk_zzzzzzzzzzzzzzzz"}) == 52);
}

TEST_CASE("webhooks spread over all shards") {
  FakeRandom random;
  std::set<int> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(shard_of(new_webhook_id(random)));
  CHECK(seen.size() == static_cast<std::size_t>(kShardCount));
  CHECK(*seen.begin() == 0);
  CHECK(*seen.rbegin() == kShardCount - 1);
}
