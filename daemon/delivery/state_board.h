#pragma once

#include <mutex>
#include <optional>
#include <unordered_map>

#include "shared/model.h"

namespace webhookd {

// Where a loop posts its endpoints' states for other threads to read. Thread-safe.
class StateBoard {
 public:
  void post(const WebhookId& webhook, const EndpointState& state) {
    const std::lock_guard lock(mutex_);
    states_.insert_or_assign(webhook, state);
  }

  void remove(const WebhookId& webhook) {
    const std::lock_guard lock(mutex_);
    states_.erase(webhook);
  }

  // Absent for a webhook that is not the loop's.
  std::optional<EndpointState> find(const WebhookId& webhook) const {
    const std::lock_guard lock(mutex_);
    const auto found = states_.find(webhook);
    if (found == states_.end()) return std::nullopt;
    return found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<WebhookId, EndpointState> states_;  // guarded by mutex_
};

}  // namespace webhookd
