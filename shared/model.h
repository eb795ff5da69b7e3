#pragma once

// The values that the product is about, as the API shows them and the store keeps them.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/ids.h"
#include "shared/signature.h"
#include "shared/time.h"

namespace webhookd {

using Headers = std::vector<std::pair<std::string, std::string>>;

enum class WebhookStatus { active, paused, disabled };
enum class DeliveryStatus { pending, in_flight, succeeded, failed, cancelled };
enum class Trigger { automatic, manual, test };
enum class CircuitState { closed, open, half_open };
enum class ErrorKind {
  dns,
  connect,
  tls,
  timeout,
  blocked_address,
  http_status,
  redirect,
  protocol,
  interrupted,
  expired
};

// Whose webhook or event it is. Unset means "of nobody in particular".
struct Binding {
  std::optional<std::string> tenant_id;
  std::optional<std::string> partner_id;
  bool operator==(const Binding&) const = default;
};

// What a caller decides about a webhook.
struct WebhookSettings {
  std::string name;
  std::optional<std::string> description;
  std::string url;
  std::vector<std::string> events;  // patterns
  WebhookStatus status = WebhookStatus::active;
  Binding binding;
  Headers headers;  // extra request headers; values may be secret
  std::chrono::seconds timeout{15};
  std::optional<std::vector<std::chrono::seconds>> retry_schedule;  // null: the daemon's default
  int max_in_flight = 16;
  std::optional<double> rate_limit_per_second;
  bool ordered = false;
  std::map<std::string, std::string> metadata;
  std::optional<Timestamp> expires_at;
  bool operator==(const WebhookSettings&) const = default;
};

// How an endpoint has been doing. Written by the shard loop that owns it, kept by the store so
// that a restart forgets nothing.
struct EndpointHealth {
  int consecutive_failures = 0;
  std::optional<Timestamp> failing_since;  // first failure since the last success
  // From that failure to the last one, as far as the daemon ran and whatever the clock was set to.
  std::chrono::milliseconds failing_for{0};
  std::optional<Timestamp> last_success_at;
  std::optional<Timestamp> last_failure_at;
  int probes = 0;                          // probes made since the circuit opened
  std::optional<Timestamp> next_probe_at;  // set while the circuit is open
  std::optional<Timestamp> held_until;     // Retry-After on 429 or 503
  bool operator==(const EndpointHealth&) const = default;
};

struct Webhook {
  WebhookId id;
  WebhookSettings settings;
  std::string secret_hint;
  std::string secret_fingerprint;
  std::optional<std::string> disabled_reason;
  std::optional<Timestamp> disabled_at;
  EndpointHealth health;
  std::int64_t backlog = 0;                    // pending and in flight
  std::optional<DeliveryId> head_delivery_id;  // ordered webhooks only: what the rest waits for
  Timestamp created_at;
  Timestamp updated_at;
};

// What only the shard loop knows of an endpoint at this moment.
struct EndpointState {
  CircuitState circuit = CircuitState::closed;
  std::optional<Timestamp> next_probe_at;
  std::optional<Timestamp> held_until;
  std::optional<std::string> hold_reason;
};

struct DeliveryError {
  ErrorKind kind = ErrorKind::connect;
  std::string message;  // a sentence for a person; holds no secret
  bool operator==(const DeliveryError&) const = default;
};

struct Delivery {
  DeliveryId id;
  WebhookId webhook_id;
  std::string event_id;
  std::string event_type;
  Binding event_binding;  // decides who may see it; not shown
  DeliveryStatus status = DeliveryStatus::pending;
  int attempt_count = 0;
  int max_attempts = 1;
  std::optional<Timestamp> next_attempt_at;
  Timestamp created_at;
  std::optional<Timestamp> completed_at;
  std::optional<int> response_status;  // of the last attempt
  std::optional<std::chrono::milliseconds> duration;
  std::optional<DeliveryError> error;
};

// Each is the time that phase alone took; absent when it was not reached (or a connection was
// used again).
struct Timings {
  std::optional<std::chrono::milliseconds> dns;
  std::optional<std::chrono::milliseconds> connect;
  std::optional<std::chrono::milliseconds> tls;
  std::optional<std::chrono::milliseconds> first_byte;
};

// One try to deliver, as it went.
struct Attempt {
  AttemptId id;  // 0 until it is recorded
  int number = 1;
  Trigger trigger = Trigger::automatic;
  Timestamp started_at;
  Headers request_headers;  // what was sent, values that look secret as "***"
  std::chrono::milliseconds duration{0};
  Timings timings;
  std::optional<std::string> remote_address;
  std::optional<int> response_status;
  Headers response_headers;
  std::string response_body;           // first 16 KiB, any bytes
  std::optional<DeliveryError> error;  // absent: succeeded
  std::optional<Timestamp> next_attempt_at;
};

struct EventType {
  std::string name;
  std::optional<std::string> description;
  std::optional<std::string> resource_type;
  std::optional<std::string> schema;  // JSON Schema for `data`, as text
  bool built_in = false;
};

// An accepted event.
struct Event {
  std::string event_id;
  std::string event_type;
  Binding binding;
  Timestamp accepted_at;
  std::string body;  // the envelope, byte for byte as it is sent
};

struct Stats {
  struct Point {
    Timestamp start;
    std::int64_t succeeded = 0;
    std::int64_t failed = 0;
  };
  std::int64_t total = 0;      // deliveries created within the window
  std::int64_t succeeded = 0;  // deliveries that ended so within the window
  std::int64_t failed = 0;
  std::int64_t pending = 0;  // now
  std::int64_t in_flight = 0;
  std::int64_t attempts = 0;
  std::optional<double> latency_avg_ms;
  std::optional<double> latency_p50_ms;
  std::optional<double> latency_p95_ms;
  std::optional<double> latency_p99_ms;
  std::map<std::string, std::int64_t> status_codes;  // "200", or an error kind when none came
  int consecutive_failures = 0;
  std::optional<Timestamp> last_success_at;
  std::optional<Timestamp> last_failure_at;
  std::optional<Timestamp> oldest_pending_at;
  std::vector<Point> series;
};

inline constexpr std::size_t kKeptResponseBytes = 16 * 1024;
inline constexpr std::size_t kReadResponseBytes = 1024 * 1024;

// Header names whose values are shown as "***": authorization, cookie, and whatever holds token,
// key, secret or password. Any case. The "key" in our own X-ScaiKey- prefix does not count.
bool is_secret_header(std::string_view name);
inline constexpr std::string_view kMasked = "***";

}  // namespace webhookd
