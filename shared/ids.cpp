#include "shared/ids.h"

#include <algorithm>

namespace webhookd {

namespace {

constexpr std::string_view kAlphanumeric =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::string_view kWebhookPrefix = "whk_";
constexpr std::size_t kWebhookLetters = 16;
constexpr std::size_t kMaxEventId = 64;

bool is_alphanumeric(char c) { return kAlphanumeric.find(c) != std::string_view::npos; }

}  // namespace

WebhookId new_webhook_id(Random& random) {
  std::string value{kWebhookPrefix};
  for (std::size_t i = 0; i < kWebhookLetters; ++i) {
    value += kAlphanumeric[random.below(kAlphanumeric.size())];
  }
  return {value};
}

bool is_webhook_id(std::string_view text) {
  if (text.size() != kWebhookPrefix.size() + kWebhookLetters) return false;
  if (!text.starts_with(kWebhookPrefix)) return false;
  text.remove_prefix(kWebhookPrefix.size());
  return std::all_of(text.begin(), text.end(), is_alphanumeric);
}

std::string new_event_id(Timestamp now, Random& random) {
  std::string ulid(26, '0');
  auto millis = static_cast<std::uint64_t>(unix_millis(now)) & 0xFFFF'FFFF'FFFFULL;
  for (std::size_t i = 10; i-- > 0; millis >>= 5U) ulid[i] = kCrockford[millis & 31U];
  // 80 bits are 16 letters of 5 bits: two groups of 40.
  const std::string bytes = random.bytes(10);
  for (std::size_t group = 0; group < 2; ++group) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      bits = bits << 8U | static_cast<std::uint8_t>(bytes[group * 5 + i]);
    }
    for (std::size_t i = 8; i-- > 0; bits >>= 5U) {
      ulid[10 + group * 8 + i] = kCrockford[bits & 31U];
    }
  }
  return "evt_" + ulid;
}

bool is_event_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxEventId &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '_' || c == '-'; });
}

int shard_of(const WebhookId& id) {
  // FNV-1a, 64 bits.
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : id.value) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x100000001B3ULL;
  }
  return static_cast<int>(hash % kShardCount);
}

}  // namespace webhookd
