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

// The signed request of contract section 3, as of `now`. Takes the delivery's body.
SendRequest build_request(const RequestStyle& style, const Endpoint& endpoint,
                          ClaimedDelivery& delivery, Timestamp now);

// The headers of such a request with "***" for the webhook's own that look secret.
Headers shown_headers(Headers sent, const Endpoint& endpoint);

}  // namespace webhookd
