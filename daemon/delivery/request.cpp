#include "delivery/request.h"

#include <utility>
#include <vector>

#include "shared/signature.h"

namespace webhookd {
namespace {

// Newest first; the previous one counts until it expires.
std::vector<Secret> secrets_at(const Endpoint& endpoint, Timestamp now) {
  std::vector<Secret> secrets{endpoint.secret};
  const auto& expires = endpoint.previous_secret_expires_at;
  if (endpoint.previous_secret && expires && now < *expires) {
    secrets.push_back(*endpoint.previous_secret);
  }
  return secrets;
}

Headers our_headers(const RequestStyle& style, const Endpoint& endpoint,
                    const ClaimedDelivery& delivery, Timestamp now) {
  const std::int64_t timestamp = unix_seconds(now);
  const std::string seconds = std::to_string(timestamp);
  const std::vector<Secret> secrets = secrets_at(endpoint, now);
  const std::string& prefix = style.header_prefix;
  Headers headers;
  headers.reserve(11 + endpoint.headers.size());
  headers.emplace_back("Content-Type", "application/json");
  headers.emplace_back("User-Agent", style.user_agent);
  headers.emplace_back(prefix + "-Webhook-ID", std::to_string(delivery.id.value));
  headers.emplace_back(prefix + "-Event-ID", delivery.event_id);
  headers.emplace_back(prefix + "-Event-Type", delivery.event_type);
  headers.emplace_back(prefix + "-Timestamp", seconds);
  headers.emplace_back(prefix + "-Signature", scaikey_signature(secrets, timestamp, delivery.body));
  headers.emplace_back(prefix + "-Attempt", std::to_string(delivery.attempt_number));
  std::string standard = standard_signature(secrets, delivery.event_id, timestamp, delivery.body);
  // Empty: no secret is one of Standard Webhooks.
  if (standard.empty()) return headers;
  headers.emplace_back("webhook-id", delivery.event_id);
  headers.emplace_back("webhook-timestamp", seconds);
  headers.emplace_back("webhook-signature", std::move(standard));
  return headers;
}

}  // namespace

SendRequest build_request(const RequestStyle& style, const Endpoint& endpoint,
                          ClaimedDelivery& delivery, Timestamp now) {
  SendRequest request;
  request.url = endpoint.url;
  request.timeout = endpoint.timeout;
  request.headers = our_headers(style, endpoint, delivery, now);
  request.headers.insert(request.headers.end(), endpoint.headers.begin(), endpoint.headers.end());
  request.body = std::move(delivery.body);
  return request;
}

Headers shown_headers(Headers sent, const Endpoint& endpoint) {
  // Ours are no secrets, whatever the prefix makes their names look like.
  for (std::size_t at = sent.size() - endpoint.headers.size(); at < sent.size(); ++at) {
    auto& [name, value] = sent[at];
    if (is_secret_header(name)) value = kMasked;
  }
  return sent;
}

}  // namespace webhookd
