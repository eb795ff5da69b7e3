#include "store/store_fixture.h"

#include <catch2/catch.hpp>
#include <stdexcept>

namespace webhookd::test {

using std::chrono::seconds;

WebhookSettings settings_for(const std::string& name) {
  WebhookSettings settings;
  settings.name = name;
  settings.url = "https://" + name + ".example/hooks";
  settings.events = {"user.*"};
  return settings;
}

WebhookId webhook_id(int number) {
  const std::string digits = std::to_string(number);
  return WebhookId{"whk_" + std::string(16 - digits.size(), '0') + digits};
}

NewEvent event_of(const std::string& id, const std::string& type, Binding binding) {
  const std::string body = R"({"event_id":")" + id + R"(","event_type":")" + type + R"("})";
  return {id, type, std::move(binding), body, std::string(32, 'h')};
}

AttemptResult result_of(const WebhookId& webhook, const ClaimedDelivery& claimed,
                        DeliveryStatus status, Timestamp now) {
  AttemptResult result;
  result.delivery = claimed.id;
  result.webhook = webhook;
  result.status = status;
  result.attempt.number = claimed.attempt_number;
  result.attempt.trigger = claimed.trigger;
  result.attempt.started_at = now;
  result.attempt.duration = std::chrono::milliseconds{40};
  if (status == DeliveryStatus::succeeded) {
    result.attempt.response_status = 200;
  } else {
    result.attempt.response_status = 500;
    result.attempt.error = DeliveryError{ErrorKind::http_status, "the receiver answered 500"};
  }
  return result;
}

StoreFixture::StoreFixture() : under_test_(make_store({seconds{5}, seconds{300}})) {}

Webhook StoreFixture::add(const WebhookSettings& settings) {
  const NewWebhook webhook{webhook_id(++webhooks_), settings, Secret{kSecretText}};
  auto made = store().create_webhook(webhook, context());
  REQUIRE(std::holds_alternative<Webhook>(made));
  return std::get<Webhook>(std::move(made));
}

Webhook StoreFixture::change(const WebhookId& id,
                             const std::function<void(WebhookSettings&)>& change) {
  auto changed = store().update_webhook(id, change, context());
  REQUIRE(std::holds_alternative<Webhook>(changed));
  return std::get<Webhook>(std::move(changed));
}

Webhook StoreFixture::found(const WebhookId& id) {
  auto webhook = store().find_webhook(id);
  REQUIRE(webhook);
  return std::move(*webhook);
}

PublishResult StoreFixture::publish(const NewEvent& event) {
  return store().publish(std::span(&event, 1), now);
}

void StoreFixture::publish_many(int count) {
  std::vector<NewEvent> events;
  for (int made = 0; made < count; ++made) {
    events.push_back(event_of("evt_" + std::to_string(++events_)));
  }
  REQUIRE(store().publish(events, now).stored);
}

Claim StoreFixture::claim(const WebhookId& id, int limit, Claimable what) {
  QueueTurn turn;
  turn.claims.push_back({id, limit, what});
  QueueTurnResult result = store().queue_turn(turn, now);
  REQUIRE(result.claims.size() == 1);
  return std::move(result.claims.front());
}

void StoreFixture::finish(const WebhookId& id, const ClaimedDelivery& claimed,
                          DeliveryStatus status, seconds delay) {
  QueueTurn turn;
  turn.results.push_back(result_of(id, claimed, status, now));
  if (status == DeliveryStatus::pending) turn.results[0].attempt.next_attempt_at = now + delay;
  store().queue_turn(turn, now);
}

DeliveryId StoreFixture::deliver(const WebhookId& id, DeliveryStatus status) {
  const Claim claimed = claim(id, 1);
  REQUIRE(claimed.deliveries.size() == 1);
  finish(id, claimed.deliveries.front(), status);
  return claimed.deliveries.front().id;
}

Delivery StoreFixture::delivery(DeliveryId id) {
  auto found = store().find_delivery(id);
  REQUIRE(found);
  return std::move(*found);
}

DeliveryPage StoreFixture::list(const WebhookId& id, std::optional<DeliveryStatus> status) {
  DeliveryFilter filter;
  filter.webhook_id = id;
  filter.status = status;
  return store().list_deliveries(filter, {1, 200});
}

std::vector<WebhookId> StoreFixture::tidy() {
  std::vector<WebhookId> changed;
  while (store().do_housekeeping(now, changed) == MoreWork::yes) {
  }
  return changed;
}

std::vector<std::int64_t> ids_of(const Claim& claim) {
  std::vector<std::int64_t> ids;
  for (const auto& delivery : claim.deliveries) ids.push_back(delivery.id.value);
  return ids;
}

std::vector<std::int64_t> ids_of(const DeliveryPage& page) {
  std::vector<std::int64_t> ids;
  for (const auto& delivery : page.items) ids.push_back(delivery.id.value);
  return ids;
}

}  // namespace webhookd::test
