#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "shared/random.h"
#include "shared/time.h"

namespace webhookd {

// "whk_" and 16 of [A-Za-z0-9].
struct WebhookId {
  std::string value;
  auto operator<=>(const WebhookId&) const = default;
};

// Positive, ascending in the order of creation, never used twice.
struct DeliveryId {
  std::int64_t value = 0;
  auto operator<=>(const DeliveryId&) const = default;
};

// Positive, ascending in the order in which attempts were recorded.
struct AttemptId {
  std::int64_t value = 0;
  auto operator<=>(const AttemptId&) const = default;
};

WebhookId new_webhook_id(Random& random);

// True for the form above; says nothing about whether it exists.
bool is_webhook_id(std::string_view text);

// "evt_" and a ULID (48 bits of milliseconds, 80 random bits, Crockford base 32): time-ordered.
std::string new_event_id(Timestamp now, Random& random);

// What a caller may choose as event id: 1...64 of [A-Za-z0-9_-].
bool is_event_id(std::string_view text);

// Shards spread endpoints over loops (and, with a shared database, over daemons).
inline constexpr int kShardCount = 64;

// 0...kShardCount-1; the same on every machine and in every version: it is stored.
int shard_of(const WebhookId& id);

}  // namespace webhookd

template <>
struct std::hash<webhookd::WebhookId> {
  std::size_t operator()(const webhookd::WebhookId& id) const noexcept {
    return std::hash<std::string>{}(id.value);
  }
};
template <>
struct std::hash<webhookd::DeliveryId> {
  std::size_t operator()(const webhookd::DeliveryId& id) const noexcept {
    return std::hash<std::int64_t>{}(id.value);
  }
};
