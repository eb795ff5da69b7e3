#pragma once

// The queue part of a store, in memory, with the failures that a test asks for.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"

namespace webhookd {

class FakeStore final : public Store {
 public:
  struct Row {
    DeliveryId id;
    WebhookId webhook;
    std::string event_id;
    std::string body;
    DeliveryStatus status = DeliveryStatus::pending;
    Trigger next_trigger = Trigger::automatic;
    int max_attempts = 10;
    Timestamp due;
    std::vector<Attempt> attempts;
  };

  // ---- what tests set up and look at; thread-safe

  void put(Endpoint endpoint);
  void remove(const WebhookId& webhook);
  void change(const WebhookId& webhook, const std::function<void(Endpoint&)>& how);
  DeliveryId publish(const WebhookId& webhook, Timestamp now, std::string body = "{}");
  int standing(const WebhookId& webhook) const;
  void retry_by_hand(DeliveryId id, Timestamp now);
  Row row(DeliveryId id) const;
  std::vector<Row> rows() const;
  int count(DeliveryStatus status) const;
  Endpoint stored(const WebhookId& webhook) const;
  std::vector<ClaimRequest> claims() const;  // all that were ever made
  int turns() const;
  std::vector<ClockShift> shifts() const;  // all that were ever asked for
  // A clock shift moves so many rows at a time.
  void shift_at_once(std::size_t rows);
  std::vector<Disabling> disablings() const;
  std::vector<Recovery> recoveries() const;
  // Each disabling is an event for this webhook from now on.
  void tell_of_disablings(const WebhookId& webhook);
  // Every turn throws this until it is called with nothing.
  void fail_with(std::optional<StoreError::Kind> kind);
  // A turn with more results than this finds the store full.
  void take_at_most(std::size_t results);
  // The same as fail_with() for reading an endpoint.
  void fail_reads_with(std::optional<StoreError::Kind> kind);

  // ---- the queue

  std::optional<ClaimedDelivery> begin_test(const WebhookId& webhook, const NewEvent& event,
                                            const ChangeContext& context) override;
  std::vector<Endpoint> endpoints(std::span<const int> shards) override;
  std::optional<Endpoint> endpoint(const WebhookId& id) override;
  QueueTurnResult queue_turn(const QueueTurn& turn, Timestamp now) override;
  void hand_fresh_claims_to(FreshClaims taker) override;

  // ---- not needed by delivery

  std::variant<Webhook, WebhookFault> create_webhook(const NewWebhook&,
                                                     const ChangeContext&) override;
  std::optional<Webhook> find_webhook(const WebhookId&) override;
  WebhookPage list_webhooks(const WebhookFilter&, const PageRequest&) override;
  std::variant<Webhook, WebhookFault> update_webhook(const WebhookId&,
                                                     const std::function<void(WebhookSettings&)>&,
                                                     const ChangeContext&) override;
  bool delete_webhook(const WebhookId&, const ChangeContext&) override;
  std::optional<Timestamp> rotate_secret(const WebhookId&, const Secret&, std::chrono::seconds,
                                         const ChangeContext&) override;
  std::vector<EventType> event_types() override;
  bool add_event_type(const EventType&, const ChangeContext&) override;
  bool remove_event_type(std::string_view, const ChangeContext&) override;
  PublishResult publish(std::span<const NewEvent>, Timestamp) override;
  void publish_later(NewEvent, Timestamp, Published) override;
  std::vector<Event> find_events(std::string_view) override;
  std::vector<Delivery> deliveries_of(const Event&) override;
  DeliveryPage list_deliveries(const DeliveryFilter&, const PageRequest&) override;
  std::optional<Delivery> find_delivery(DeliveryId) override;
  AttemptPage attempts_after(AttemptId, int) override;
  AttemptId newest_attempt() override;
  AttemptId attempt_before(Timestamp) override;
  std::optional<DeliveryDetail> delivery_detail(DeliveryId) override;
  RetryOutcome retry_delivery(const WebhookId&, DeliveryId, RetrySucceeded,
                              const ChangeContext&) override;
  CancelOutcome cancel_delivery(const WebhookId&, DeliveryId, const ChangeContext&) override;
  BatchResult change_deliveries(const DeliveryBatch&, const BatchSum&,
                                const ChangeContext&) override;
  ReplayResult replay_events(const ReplayBatch&, const BatchSum&, const ChangeContext&) override;
  std::optional<Stats> stats(const WebhookId&, std::chrono::hours, Timestamp) override;
  StoreStatus status() override;
  void check_writable(Timestamp) override;
  bool has_room() override;
  MoreWork do_housekeeping(Timestamp, std::vector<WebhookId>&) override;
  std::vector<AuditEntry> audit(std::optional<std::int64_t>, int) override;
  void add_audit(std::string_view, const std::string&, const ChangeContext&) override;

 private:
  // mutex_ must be held by callers of these.
  bool may_claim(const Row& row, const ClaimRequest& request, Timestamp now) const;
  bool is_held_by_order(const Row& row) const;
  std::optional<Timestamp> next_due(const WebhookId& webhook) const;
  Claim claim(const ClaimRequest& request, Timestamp now);
  ClaimedDelivery take(Row& row);
  ClockShiftPiece shift(const ClockShift& shift);
  DeliveryId insert(const WebhookId& webhook, Timestamp now, std::string body);

  mutable std::mutex mutex_;
  std::map<WebhookId, Endpoint> endpoints_;
  std::map<std::int64_t, Row> rows_;
  std::vector<ClaimRequest> claims_;
  std::vector<Disabling> disablings_;
  std::vector<Recovery> recoveries_;
  std::optional<WebhookId> tell_;
  std::optional<StoreError::Kind> failure_;
  FreshClaims taker_;
  std::map<WebhookId, int> standing_;
  std::optional<std::size_t> most_results_;
  std::optional<StoreError::Kind> read_failure_;
  int turns_ = 0;
  std::vector<ClockShift> shifts_;
  std::size_t shifted_at_once_ = 1000;
  std::int64_t last_id_ = 0;
};

// An active endpoint with a whsec_ secret.
Endpoint make_endpoint(char name, const std::string& url = "http://192.0.2.1/hook");

}  // namespace webhookd
