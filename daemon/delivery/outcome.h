#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "delivery/sender.h"
#include "store/store.h"

namespace webhookd {

// An attempt that was sent, without its body.
struct SentAttempt {
  WebhookId webhook;
  DeliveryId delivery;
  int number = 1;
  int max_attempts = 1;
  Trigger trigger = Trigger::automatic;
  Timestamp started_at;
  Headers shown_headers;
};

struct RetryRules {
  std::span<const std::chrono::seconds> schedule;
  double jitter = 0;  // -0.1...0.1
};

// The receiver asked for a pause.
struct Hold {
  Timestamp until;
  std::string reason;
};

struct Outcome {
  AttemptResult result;
  std::optional<std::string> disable_reason;  // of the whole webhook
  std::optional<Hold> hold;                   // of the whole webhook
};

// What an attempt's end means (contract sections 5.3 and 5.4). A test is never retried and changes
// nothing about its webhook.
Outcome judge(SentAttempt sent, SendResult ended, const RetryRules& rules, Timestamp now);

// A test or attempt that we ended ourselves.
AttemptResult interrupted(SentAttempt sent, std::string message, Timestamp now);

}  // namespace webhookd
