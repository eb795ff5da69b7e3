#pragma once

// What the conformance suite needs of an implementation, and the steps its tests are made of.

#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace webhookd::test {

using Ids = std::vector<std::int64_t>;

// One store, empty at first.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Store& store() = 0;
  // Closes it and opens what it has kept.
  virtual void restart(Timestamp now) = 0;
};

// The implementation under test. `default_schedule` is for webhooks without one of their own.
std::unique_ptr<StoreUnderTest> make_store(std::vector<std::chrono::seconds> default_schedule);

inline constexpr auto kPending = DeliveryStatus::pending;
inline constexpr auto kInFlight = DeliveryStatus::in_flight;
inline constexpr auto kSucceeded = DeliveryStatus::succeeded;
inline constexpr auto kFailed = DeliveryStatus::failed;
inline constexpr auto kCancelled = DeliveryStatus::cancelled;

inline constexpr Timestamp kStart{std::chrono::milliseconds{1'795'000'000'000}};
inline constexpr const char* kSecretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
inline constexpr const char* kOtherSecretText = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

WebhookSettings settings_for(const std::string& name);
// "whk_" and the number in 16 digits.
WebhookId webhook_id(int number);
NewEvent event_of(const std::string& id, const std::string& type = "user.created",
                  Binding binding = {});
AttemptResult result_of(const WebhookId& webhook, const ClaimedDelivery& claimed,
                        DeliveryStatus status, Timestamp now);

class StoreFixture {
 public:
  // `store_maker`'s store has the default schedule {5 s, 300 s}.
  StoreFixture();

  Store& store() { return under_test_->store(); }
  void restart() { under_test_->restart(now); }
  ChangeContext context() const { return {now, "user:alice", "127.0.0.1", "req-1"}; }

  Webhook add(const WebhookSettings& settings);
  Webhook add(const std::string& name) { return add(settings_for(name)); }
  Webhook change(const WebhookId& id, const std::function<void(WebhookSettings&)>& change);
  Webhook found(const WebhookId& id);

  PublishResult publish(const NewEvent& event);
  // So many of type user.created, with ids "evt_1"... that go on from call to call.
  void publish_many(int count);

  Claim claim(const WebhookId& id, int limit = 100, Claimable what = Claimable::any);
  // Records how a claimed one ended; one that is pending again is due after `delay`.
  void finish(const WebhookId& id, const ClaimedDelivery& claimed, DeliveryStatus status,
              std::chrono::seconds delay = std::chrono::seconds{5});
  // Claims one and records how it ended; its id.
  DeliveryId deliver(const WebhookId& id, DeliveryStatus status);
  Delivery delivery(DeliveryId id);
  DeliveryPage list(const WebhookId& id, std::optional<DeliveryStatus> status = std::nullopt);
  // Housekeeping until there is no more; the webhooks that it changed.
  std::vector<WebhookId> tidy();

  Timestamp now = kStart;

 private:
  std::unique_ptr<StoreUnderTest> under_test_;
  int webhooks_ = 0;
  int events_ = 0;
};

std::vector<std::int64_t> ids_of(const Claim& claim);
std::vector<std::int64_t> ids_of(const DeliveryPage& page);

}  // namespace webhookd::test
