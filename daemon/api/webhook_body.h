#pragma once

// The bodies that create, change and rotate webhooks, with every rule of the contract's section
// 2.3. Past these functions the values are trusted.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/catalogue.h"
#include "api/validation.h"
#include "delivery/dispatcher.h"
#include "shared/model.h"

namespace webhookd {

// What the rules ask about the world.
struct WebhookRules {
  Catalogue& catalogue;
  const Dispatcher& dispatcher;
  Timestamp now;
  std::string_view header_prefix;
};

// The fields that came.
struct WebhookBody {
  Given<std::string> name;
  Given<std::string> description;
  Given<std::string> url;
  std::string host;  // of `url`
  Given<std::vector<std::string>> events;
  Given<WebhookStatus> status;
  Given<std::string> tenant_id;
  Given<std::string> partner_id;
  Given<Headers> headers;  // a value of "***" stands for the stored one
  Given<std::int64_t> timeout_seconds;
  Given<std::vector<std::chrono::seconds>> retry_schedule;
  Given<std::int64_t> max_in_flight;
  Given<double> rate_limit_per_second;
  Given<bool> ordered;
  Given<std::map<std::string, std::string>> metadata;
  Given<Timestamp> expires_at;
  Given<Secret> secret;  // on create only
};

// Throw ValidationError with all faults.
WebhookBody parse_webhook_create(const CanonicalObject& body, const WebhookRules& rules);
WebhookBody parse_webhook_patch(const CanonicalObject& body, const WebhookRules& rules);

// Puts what was sent into `settings`, all but the binding: null is the field's "none". Throws
// ValidationError when "***" stands for a header that is not stored.
void apply(const WebhookBody& body, WebhookSettings& settings);

struct RotateBody {
  std::chrono::seconds grace{86'400};
  std::optional<Secret> secret;
};

// Throws ValidationError.
RotateBody parse_rotate(const CanonicalObject& body);

}  // namespace webhookd
