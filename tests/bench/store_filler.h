#pragma once

// State directories that would take too long to fill through the API, written by the daemon's own
// store code: the same rows, indices, counters and rollups, in the same transactions.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/random.h"
#include "store/store.h"

namespace webhookd::bench {

class StoreFiller {
 public:
  // Makes the state directory, or goes on with what is in it. No daemon may use it until this is
  // gone. All members throw StoreError or Failed.
  explicit StoreFiller(const std::filesystem::path& state_dir);

  // Active, for user.created; of tenant_of(endpoint) when there are several endpoints.
  WebhookId add_webhook(std::size_t endpoint, std::size_t endpoints, const std::string& url);
  void pause(const WebhookId& id);

  // Events `first` and following, as event_body() has them, accepted at `at`.
  void publish(std::size_t first, std::size_t count, std::size_t endpoints, Timestamp at);

  // Claims up to `limit` due deliveries of each webhook.
  std::vector<Claim> claim(const std::vector<WebhookId>& webhooks, int limit, Timestamp at);

  // The claimed deliveries were tried: answered 200.
  void record_successes(const std::vector<Claim>& claims, Timestamp at);
  // Answered 500, and to be tried again at due(event id).
  void record_failures(const std::vector<Claim>& claims, Timestamp at,
                       const std::function<Timestamp(const std::string& event_id)>& due);

  // What a daemon does in quiet moments, to its end.
  void keep_house(Timestamp at);

 private:
  SystemRandom random_;
  std::unique_ptr<Store> store_;
};

}  // namespace webhookd::bench
