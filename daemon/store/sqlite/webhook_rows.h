#pragma once

// Webhooks between their rows and the model.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/model.h"
#include "store/seal.h"
#include "store/sqlite/connection.h"

namespace webhookd {

std::string strings_to_text(const std::vector<std::string>& strings);
std::vector<std::string> strings_from_text(std::string_view text);

using RetrySchedule = std::optional<std::vector<std::chrono::seconds>>;
std::optional<std::string> schedule_to_text(const RetrySchedule& schedule);
RetrySchedule schedule_from_text(const std::optional<std::string>& text);

std::string metadata_to_text(const std::map<std::string, std::string>& metadata);
std::map<std::string, std::string> metadata_from_text(std::string_view text);

// How the queue of a webhook is found.
struct QueueKey {
  std::int64_t seq = 0;
  bool ordered = false;
  std::int64_t generation = 0;
  std::int64_t void_through = 0;  // stale deliveries have ids up to here; 0: none is left
  bool sorting = false;           // of the stale ones some may be kept
};

struct StoredWebhook {
  QueueKey key;
  int shard = 0;
  std::int64_t kept_from = 0;  // stale deliveries of a generation before this one are void
  Webhook webhook;             // without what the queue says: backlog, head_delivery_id
};

// Absent when there is none, or it is deleted.
std::optional<StoredWebhook> load_webhook(Connection& db, const Sealer& sealer,
                                          const WebhookId& id);
std::optional<StoredWebhook> load_webhook(Connection& db, const Sealer& sealer, std::int64_t seq);
// All of a shard.
std::vector<StoredWebhook> load_shard(Connection& db, const Sealer& sealer, int shard);

struct NewWebhookRow {
  WebhookId id;
  const WebhookSettings& settings;
  const Secret& secret;
  Timestamp now;
};
// Its seq.
std::int64_t insert_webhook(Connection& db, const Sealer& sealer, const NewWebhookRow& row);
// Everything but what disabling leaves.
void update_settings(Connection& db, const Sealer& sealer, const WebhookId& id, std::int64_t seq,
                     const WebhookSettings& settings, Timestamp now);

void store_health(Connection& db, std::int64_t seq, const EndpointHealth& health);

struct StoredSecrets {
  Secret current;
  std::optional<Secret> previous;
  std::optional<Timestamp> previous_expires_at;
};
StoredSecrets load_secrets(Connection& db, const Sealer& sealer, const WebhookId& id,
                           std::int64_t seq);
void store_secrets(Connection& db, const Sealer& sealer, const WebhookId& id, std::int64_t seq,
                   const StoredSecrets& secrets);

}  // namespace webhookd
