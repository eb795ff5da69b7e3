#pragma once

#include <string>

#include "delivery/sender.h"
#include "store/store.h"

namespace webhookd {

// How our requests introduce themselves.
struct RequestStyle {
  std::string user_agent;
  std::string header_prefix;  // "X-ScaiKey"
};

struct BuiltRequest {
  SendRequest request;
  Headers shown;  // the headers with "***" for the webhook's own that look secret
};

// The signed request of contract section 3, as of `now`. Takes the delivery's body.
BuiltRequest build_request(const RequestStyle& style, const Endpoint& endpoint,
                           ClaimedDelivery& delivery, Timestamp now);

}  // namespace webhookd
