#include "bench/store_filler.h"

#include <fmt/format.h>

#include <variant>

#include "bench/arrivals.h"
#include "bench/publish_request.h"
#include "bench/socket.h"
#include "shared/encoding.h"
#include "store/sqlite/sqlite_store.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;

constexpr int kMostHousekeeping = 100'000;  // pieces

ChangeContext context_at(Timestamp at) { return {at, "bench", "unix", "bench"}; }

std::unique_ptr<Store> open(const std::filesystem::path& state_dir, Random& random) {
  SqliteOptions options;
  options.state_dir = state_dir;
  options.default_schedule = {std::chrono::seconds{5}, std::chrono::hours{1}};
  return open_sqlite_store(options, random,
                           std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
}

// The headers of a real attempt, in their real lengths.
Headers sent_headers(const ClaimedDelivery& delivery) {
  const std::string digest(64, 'a');
  return {{"Content-Type", "application/json"},
          {"User-Agent", "ScaiKey-Webhook/1.0"},
          {"X-ScaiKey-Webhook-ID", std::to_string(delivery.id.value)},
          {"X-ScaiKey-Event-ID", delivery.event_id},
          {"X-ScaiKey-Event-Type", delivery.event_type},
          {"X-ScaiKey-Timestamp", "1790000000"},
          {"X-ScaiKey-Signature", "t=1790000000,v1=" + digest},
          {"X-ScaiKey-Attempt", std::to_string(delivery.attempt_number)},
          {"webhook-id", delivery.event_id},
          {"webhook-timestamp", "1790000000"},
          {"webhook-signature", "v1," + digest.substr(0, 44)}};
}

AttemptResult result_of(const WebhookId& webhook, const ClaimedDelivery& delivery, Timestamp at) {
  AttemptResult result;
  result.delivery = delivery.id;
  result.webhook = webhook;
  Attempt& attempt = result.attempt;
  attempt.number = delivery.attempt_number;
  attempt.trigger = delivery.trigger;
  attempt.started_at = at;
  attempt.request_headers = sent_headers(delivery);
  attempt.duration = milliseconds{1 + delivery.id.value % 20};
  attempt.timings.first_byte = attempt.duration;
  attempt.remote_address = "127.0.0.1";
  attempt.response_status = 200;
  attempt.response_headers = {{"Content-Length", "0"}};
  return result;
}

}  // namespace

StoreFiller::StoreFiller(const std::filesystem::path& state_dir)
    : store_(open(state_dir, random_)) {}

WebhookId StoreFiller::add_webhook(std::size_t endpoint, std::size_t endpoints,
                                   const std::string& url) {
  NewWebhook webhook{new_webhook_id(random_), {}, new_secret(random_)};
  webhook.settings.name = fmt::format("bench {}", endpoint);
  webhook.settings.url = url;
  webhook.settings.events = {"user.created"};
  if (endpoints > 1) webhook.settings.binding.tenant_id = tenant_of(endpoint);
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  const auto created = store_->create_webhook(webhook, context_at(now));
  if (!std::holds_alternative<Webhook>(created)) throw Failed("cannot store a webhook");
  return webhook.id;
}

void StoreFiller::pause(const WebhookId& id) {
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  store_->update_webhook(
      id, [](WebhookSettings& settings) { settings.status = WebhookStatus::paused; },
      context_at(now));
}

void StoreFiller::publish(std::size_t first, std::size_t count, std::size_t endpoints,
                          Timestamp at) {
  std::vector<NewEvent> events;
  events.reserve(count);
  for (std::size_t index = first; index < first + count; ++index) {
    NewEvent event;
    event.event_id = event_id_of(index);
    event.event_type = "user.created";
    if (endpoints > 1) event.binding.tenant_id = tenant_of(index % endpoints);
    event.body = event_body(index, endpoints);
    event.content_hash = sha256(event.body);
    events.push_back(std::move(event));
  }
  if (!store_->publish(events, at).stored) throw Failed("an event is in the store already");
}

std::vector<Claim> StoreFiller::claim(const std::vector<WebhookId>& webhooks, int limit,
                                      Timestamp at) {
  QueueTurn turn;
  for (const WebhookId& webhook : webhooks) turn.claims.push_back({webhook, limit});
  return store_->queue_turn(turn, at).claims;
}

void StoreFiller::record_successes(const std::vector<Claim>& claims, Timestamp at) {
  QueueTurn turn;
  for (const Claim& claim : claims) {
    for (const ClaimedDelivery& delivery : claim.deliveries) {
      turn.results.push_back(result_of(claim.webhook, delivery, at));
    }
  }
  store_->queue_turn(turn, at);
}

void StoreFiller::record_failures(
    const std::vector<Claim>& claims, Timestamp at,
    const std::function<Timestamp(const std::string& event_id)>& due) {
  QueueTurn turn;
  for (const Claim& claim : claims) {
    for (const ClaimedDelivery& delivery : claim.deliveries) {
      AttemptResult result = result_of(claim.webhook, delivery, at);
      result.attempt.response_status = 500;
      result.attempt.error = DeliveryError{ErrorKind::http_status, "the receiver answered 500"};
      result.attempt.next_attempt_at = due(delivery.event_id);
      result.status = DeliveryStatus::pending;
      turn.results.push_back(std::move(result));
    }
  }
  store_->queue_turn(turn, at);
}

void StoreFiller::keep_house(Timestamp at) {
  std::vector<WebhookId> changed;
  for (int piece = 0; piece < kMostHousekeeping; ++piece) {
    if (store_->do_housekeeping(at, changed) == MoreWork::no) return;
  }
}

}  // namespace webhookd::bench
