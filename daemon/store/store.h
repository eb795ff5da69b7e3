#pragma once

// The store is the queue. Everything that must survive is written through this interface, in one
// transaction a call; nothing in memory is a second truth. Longer than most files: all that an
// implementation has to keep, in one place.
//
// Every method blocks, may be called from any thread, and throws StoreError when the store cannot
// do it (then nothing of the call is written). Methods that write return after the commit is
// durable (on disk, or acknowledged by the database server). Absent rows are empty optionals.
// Time comes in as an argument.

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "shared/model.h"

namespace webhookd {

class StoreError : public std::runtime_error {
 public:
  enum class Kind {
    full,         // no space left: reads go on, writes may work again later
    low_space,    // there is some, kept back for results: nothing new is taken
    unavailable,  // busy or unreachable: worth another try
    broken,       // a failed write or fsync, corruption: the daemon must end
  };
  StoreError(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// Who makes a change and when: becomes its row in the audit log, in the same transaction.
struct ChangeContext {
  Timestamp now;
  std::string actor;   // "user:<sub>", "uid:1000", "daemon"
  std::string remote;  // address, or "unix"
  std::string request_id;
};

// ---- webhooks -------------------------------------------------------------------------------

struct NewWebhook {
  WebhookId id;
  WebhookSettings settings;
  Secret secret;
};

enum class WebhookFault { not_found, name_taken };

// Which webhooks a caller may see: all, or those whose set ids equal the given ones. An empty id is
// that of a webhook that has none.
struct WebhookFilter {
  std::optional<std::string> tenant_id;
  std::optional<std::string> partner_id;
  std::optional<WebhookStatus> status;
  std::optional<std::string> event_type;  // subscribed to this type
  std::optional<std::string> name;        // equal
  std::optional<std::string> text;        // id, name, URL or description contains it, any case
};

struct PageRequest {
  int page = 1;       // >= 1
  int per_page = 50;  // 1...200
};

struct WebhookPage {
  std::vector<Webhook> items;  // oldest first
  std::int64_t total = 0;
};

// ---- events ---------------------------------------------------------------------------------

struct NewEvent {
  std::string event_id;
  std::string event_type;
  Binding binding;
  std::string body;          // canonical envelope
  std::string content_hash;  // 32 bytes: what decides "the same content"
};

struct PublishedEvent {
  enum class Outcome { accepted, duplicate, conflict };
  Outcome outcome = Outcome::accepted;
  std::string event_id;
  std::string event_type;
  std::int64_t deliveries = 0;  // of the stored event
};

struct PublishResult {
  // False when any event conflicts: then none is stored.
  bool stored = true;
  std::vector<PublishedEvent> events;  // in the order they were given
  std::vector<WebhookId> woken;        // webhooks that have new work to claim, each once
};

// ---- deliveries -----------------------------------------------------------------------------

struct DeliveryFilter {
  std::optional<WebhookId> webhook_id;
  Binding visible_to;  // as in WebhookFilter
  // The same for the events: a webhook that was handed over keeps the history of who had it before.
  Binding events_visible_to;
  std::optional<DeliveryStatus> status;
  std::optional<std::string> event_type;
  std::optional<Timestamp> since;  // created at or after
  std::optional<Timestamp> until;  // created before
  // "500" -> {500, 500}; "5xx" -> {500, 599}; "none" -> {0, 0}: no response.
  std::optional<std::pair<int, int>> response_status;
  std::optional<DeliveryId> before;  // the cursor: only ids below
};

struct DeliveryPage {
  std::vector<Delivery> items;  // newest first
  std::int64_t total = 0;
  bool total_capped = false;  // counting stopped at 10,000
  bool more = false;          // there are items after the last one
};

struct DeliveryDetail {
  Delivery delivery;
  std::string url;                // the webhook's
  std::string body;               // empty when the event is no longer kept
  std::vector<Attempt> attempts;  // in order
};

enum class RetryOutcome {
  retried,
  not_found,
  in_flight,
  webhook_disabled,
  already_succeeded,
  is_test,        // tests are never retried
  foreign_event,  // the webhook has another tenant or partner than its event since
};
enum class RetrySucceeded { refuse, allow };
enum class CancelOutcome { cancelled, not_found, not_pending };

// ---- many at once ---------------------------------------------------------------------------

// Such a call is made in batches, each a short transaction of its own, so that publishing and
// delivery get in between. What a batch has done stays done, whatever becomes of the next one.

enum class DryRun { no, yes };  // yes: counts what would be done, and changes nothing

// What the batches of one call have done so far. They share one row of the audit log, which always
// holds the sum of what was done.
struct BatchSum {
  std::int64_t matched = 0;
  std::int64_t changed = 0;              // retried, cancelled or created
  std::int64_t skipped = 0;              // matched, and could not be changed
  std::optional<std::int64_t> audit_id;  // absent before the first batch, and in a dry run
};

enum class BatchFault { webhook_not_found, webhook_disabled };

struct BatchResult {
  BatchSum sum;
  std::int64_t after = 0;           // where the next batch begins
  bool more = false;                // there may be matches behind it
  std::optional<BatchFault> fault;  // then this batch has done nothing
};

enum class ChangeOfMany { retry, cancel };

// Deliveries of one webhook, oldest first.
struct DeliveryBatch {
  ChangeOfMany change = ChangeOfMany::retry;
  // With webhook_id; `before` does not count.
  DeliveryFilter filter;
  DeliveryId after;  // only ids above
  int limit = 500;   // how many may match; 1...1,000
  DryRun dry_run = DryRun::no;
};

// Stored events, oldest first, that match the webhook's patterns and binding as they are now.
struct ReplayBatch {
  WebhookId webhook;
  Binding visible_to;  // as in WebhookFilter; the events then are as well
  Timestamp since;     // accepted at or after
  std::optional<Timestamp> until;
  std::optional<std::string> event_type;
  bool missed_only = false;  // only those of which it has no delivery, or only cancelled ones
  // No event gets a second delivery under it, and no event counts that was accepted after it was
  // first used.
  std::optional<std::string> replay_id;
  std::int64_t after = 0;  // as the batch before said
  // The end, beyond which all events are newer than the call: 0 in the first batch, then as the
  // batch before said.
  std::int64_t through = 0;
  int limit = 500;  // how many may match; 1...1,000
  DryRun dry_run = DryRun::no;
};

struct ReplayResult : BatchResult {
  std::int64_t through = 0;
};

// ---- the queue, as a shard loop sees it -----------------------------------------------------

// A place in a webhook's queue, which is sorted by due time, then by id.
struct DuePlace {
  Timestamp due;
  DeliveryId id;
};

// stamped_ahead: only what is due from the moment that it was asked for, and stands later than
// `after` because it took its time before the clock was set back. It becomes due at `after`.
enum class Shifted { all_that_wait, stamped_ahead };

// The clock was set by `by`: attempts that wait are to wait as long as before. The store makes it
// in pieces; each is asked for with what the last one has reached.
struct ClockShift {
  WebhookId webhook;
  std::chrono::milliseconds by{0};
  Timestamp after;                  // what is due up to then stays as it is: it is due now
  std::vector<DeliveryId> except;   // got their times by the new clock
  std::optional<DuePlace> reached;  // by the piece before
  Shifted what = Shifted::all_that_wait;
};

// A webhook as a loop needs it to send.
struct Endpoint {
  WebhookId id;
  int shard = 0;
  WebhookStatus status = WebhookStatus::active;
  std::int64_t generation = 0;  // raised whenever what waits may be void: disabled, or rebound
  std::int64_t kept_from = 0;   // the generation that the last disabling began
  std::string url;
  Headers headers;  // clear
  std::chrono::seconds timeout{15};
  std::optional<std::vector<std::chrono::seconds>> retry_schedule;
  int max_in_flight = 16;
  std::optional<double> rate_limit_per_second;
  bool ordered = false;
  Secret secret;
  std::optional<Secret> previous_secret;
  std::optional<Timestamp> previous_secret_expires_at;
  EndpointHealth health;
  std::optional<Timestamp> next_due;  // earliest pending delivery that is not held by order
  // Some pieces of it were made and the rest was not: to be asked for first, as it is here. The
  // health is of before it.
  std::optional<ClockShift> unfinished_shift;
};

enum class Claimable { any, manual_only };

struct ClaimRequest {
  WebhookId webhook;
  int limit = 1;  // >= 1
  // manual_only: retries asked for by hand, which pass circuit, rate, hold and order.
  Claimable what = Claimable::any;
  // Nothing that is due later than this, whatever the time is: the clock may have been set since.
  std::optional<Timestamp> due_by = std::nullopt;
  // At most so many of the places that it leaves free go on standing: publish() claims new
  // deliveries for them as it stores them. Once one finds no place it waits, and all that come
  // after it, until the next claim. Each claim of `any` replaces what stood. For an ordered webhook
  // none ever stands.
  int standing = 0;  // >= 0
};

struct ClaimedDelivery {
  DeliveryId id;
  std::string event_id;
  std::string event_type;
  int attempt_number = 1;  // of the attempt that this claim is for
  int max_attempts = 1;
  Trigger trigger = Trigger::automatic;
  Timestamp due;  // when it was to be tried
  std::string body;
};

struct Claim {
  WebhookId webhook;
  std::vector<ClaimedDelivery> deliveries;  // due ones, earliest first; for an ordered webhook at
                                            // most one automatic delivery is in flight
  std::optional<Timestamp> next_due;        // of what is left, as in Endpoint
  int standing = 0;                         // places that stand from now on
};

// Larger bodies wait for an ordinary claim, so that what stands never fills the memory.
inline constexpr std::size_t kMostStandingBytes = 4096;

// New deliveries that publish() has claimed in its own transaction: in flight, like those of any
// other claim.
struct FreshClaim {
  WebhookId webhook;
  std::int64_t generation = 0;  // the endpoint's at that time
  std::vector<ClaimedDelivery> deliveries;
};

// How an attempt ended and what becomes of its delivery.
struct AttemptResult {
  DeliveryId delivery;
  WebhookId webhook;
  Attempt attempt;
  DeliveryStatus status = DeliveryStatus::succeeded;  // succeeded, failed or pending
};

// Dropped when the webhook has been disabled since: enabled again, its health begins anew. Dropped
// too when the turn shifts all that waits of the webhook and does not get done: whoever asked keeps
// it for the last piece.
struct HealthUpdate {
  WebhookId webhook;
  EndpointHealth health;
  std::int64_t kept_from = 0;  // of the endpoint whose health it is
};

// Cancels what waits, is audited as "daemon" and publishes webhook.disabled. Nothing of it happens
// when the webhook is disabled already.
struct Disabling {
  WebhookId webhook;
  std::string reason;
  std::string event_id;  // new: of the event
};

// A success after the circuit was open: publishes webhook.recovered.
struct Recovery {
  WebhookId webhook;
  std::string event_id;  // new: of the event
  int consecutive_failures = 0;
  std::optional<Timestamp> failing_since;
  Timestamp recovered_at;
};

struct ClockShiftPiece {
  bool done = false;
  std::optional<DuePlace> reached;
};

// What a loop hands in and asks for in one transaction.
struct QueueTurn {
  std::vector<AttemptResult> results;
  std::vector<HealthUpdate> health;
  std::vector<Disabling> disable;
  std::vector<Recovery> recovered;
  std::vector<DeliveryId> released;  // claimed, never tried: pending again, no attempt counted
  std::vector<ClockShift> shifts;    // made after the results are in, and before the health is
  std::vector<ClaimRequest> claims;  // made after the results are in
  std::vector<WebhookId> withdrawn;  // last: no place of theirs stands any more
};

struct QueueTurnResult {
  std::vector<Claim> claims;             // one for each request, in order
  std::vector<ClockShiftPiece> shifted;  // the same
  std::vector<WebhookId> woken;  // webhooks that have new work: events that the turn published
};

// ---- finished attempts ----------------------------------------------------------------------

// An attempt as the stream of them shows it.
struct FinishedAttempt {
  AttemptId id;
  DeliveryId delivery;
  WebhookId webhook;
  Binding webhook_binding;
  std::string event_id;
  std::string event_type;
  Binding event_binding;
  int number = 1;
  int max_attempts = 1;
  Trigger trigger = Trigger::automatic;
  Timestamp started_at;
  std::chrono::milliseconds duration{0};
  std::optional<int> response_status;
  std::optional<DeliveryError> error;  // absent: succeeded
  std::optional<Timestamp> next_attempt_at;
  DeliveryStatus status = DeliveryStatus::succeeded;  // the delivery's right after it
};

struct AttemptPage {
  std::vector<FinishedAttempt> items;  // by id; none of deleted webhooks
  AttemptId last;                      // all up to this one were looked at
  bool more = false;                   // there may be others behind it
};

// ---- the rest -------------------------------------------------------------------------------

struct AuditEntry {
  std::int64_t id = 0;
  Timestamp at;
  std::string actor;
  std::string remote;
  std::string request_id;
  std::string action;  // "webhook.create", "delivery.retry", ...
  std::optional<WebhookId> webhook_id;
  std::string detail;  // JSON object, secrets masked
};

struct StoreStatus {
  std::string kind;  // "sqlite"
  std::string schema_version;
  std::int64_t size_bytes = 0;
  std::int64_t free_bytes = 0;      // on the file system it lives on
  std::int64_t min_free_bytes = 0;  // what is kept back of them for results
  bool has_room = true;             // as Store::has_room()
  std::int64_t webhooks = 0;
  std::int64_t backlog = 0;  // pending and in flight
  std::optional<Timestamp> oldest_pending_at;
};

enum class MoreWork { no, yes };

class Store {
 public:
  virtual ~Store() = default;

  // -- webhooks

  // The name must be free within its tenant and partner.
  virtual std::variant<Webhook, WebhookFault> create_webhook(const NewWebhook& webhook,
                                                             const ChangeContext& context) = 0;
  virtual std::optional<Webhook> find_webhook(const WebhookId& id) = 0;
  virtual WebhookPage list_webhooks(const WebhookFilter& filter, const PageRequest& page) = 0;
  // Applies `change` to the stored settings inside the writing transaction, so that two updates
  // at once cannot undo each other. `change` may run more than once, must not call the store, and
  // what it throws comes out here with nothing written. Becoming disabled cancels every delivery
  // that waits; leaving disabled clears what the disabling left (reason, time, health).
  // After a change of tenant or partner no delivery of an event that the webhook may not have any
  // more is claimed again: each is cancelled, some of them later, by do_housekeeping.
  virtual std::variant<Webhook, WebhookFault> update_webhook(
      const WebhookId& id, const std::function<void(WebhookSettings&)>& change,
      const ChangeContext& context) = 0;
  // Once it returns the webhook is gone for every other method; its history goes in batches by
  // do_housekeeping. False: there was none.
  virtual bool delete_webhook(const WebhookId& id, const ChangeContext& context) = 0;
  // The old secret stays valid for `grace` (0: not at all); one before it no longer.
  // Returns when the old one expires; absent when the webhook does not exist.
  virtual std::optional<Timestamp> rotate_secret(const WebhookId& id, const Secret& secret,
                                                 std::chrono::seconds grace,
                                                 const ChangeContext& context) = 0;

  // -- the catalogue

  virtual std::vector<EventType> event_types() = 0;  // by name
  // False when it is built in or exists with another meaning.
  virtual bool add_event_type(const EventType& type, const ChangeContext& context) = 0;
  // False when there is none that may be removed.
  virtual bool remove_event_type(std::string_view name, const ChangeContext& context) = 0;

  // -- events

  // All or nothing. One pending delivery, due now, for each webhook that is not disabled, matches
  // type and binding; in flight where a claim stands for it. An event id is unique within its
  // binding.
  virtual PublishResult publish(std::span<const NewEvent> events, Timestamp now) = 0;
  // publish() of one event, without a wait. `done` is called once, when the event is durable or it
  // has failed, on a thread of the store's: it must be quick, must not throw and must not wait for
  // the store. Throws StoreError low_space like publish().
  using Published =
      std::function<void(const PublishResult& result, const std::exception_ptr& failure)>;
  virtual void publish_later(NewEvent event, Timestamp now, Published done) = 0;
  // All that carry the id, in any binding.
  virtual std::vector<Event> find_events(std::string_view event_id) = 0;
  // Of one event, oldest first, at most 10,000.
  virtual std::vector<Delivery> deliveries_of(const Event& event) = 0;

  // -- deliveries

  virtual DeliveryPage list_deliveries(const DeliveryFilter& filter, const PageRequest& page) = 0;
  virtual std::optional<Delivery> find_delivery(DeliveryId id) = 0;
  virtual std::optional<DeliveryDetail> delivery_detail(DeliveryId id) = 0;
  // Makes it pending and due now as a manual attempt, for which max_attempts grows where need be.
  // Stats forget how it had ended: it counts once, as what it becomes.
  virtual RetryOutcome retry_delivery(const WebhookId& webhook, DeliveryId id,
                                      RetrySucceeded succeeded, const ChangeContext& context) = 0;
  virtual CancelOutcome cancel_delivery(const WebhookId& webhook, DeliveryId id,
                                        const ChangeContext& context) = 0;
  // One batch of what the two above do to each, in the order of their ids: a delivery that they
  // would refuse, or whose status is not the filter's any more, is skipped. Retrying needs a
  // webhook that is not disabled. `so_far` is what the batch before returned.
  virtual BatchResult change_deliveries(const DeliveryBatch& batch, const BatchSum& so_far,
                                        const ChangeContext& context) = 0;
  // One batch of new deliveries as publish() makes them. Events that have gone since, or that the
  // webhook does not want any more, are skipped, and so are those that the replay_id has served.
  virtual ReplayResult replay_events(const ReplayBatch& batch, const BatchSum& so_far,
                                     const ChangeContext& context) = 0;
  // Stores the event and one delivery of it, in flight, that counts in no stats, health or
  // backlog. Its result comes in by queue_turn. Absent when the webhook does not exist.
  virtual std::optional<ClaimedDelivery> begin_test(const WebhookId& webhook, const NewEvent& event,
                                                    const ChangeContext& context) = 0;

  // -- the queue

  // Every webhook of these shards; for one webhook, absent when it does not exist.
  virtual std::vector<Endpoint> endpoints(std::span<const int> shards) = 0;
  virtual std::optional<Endpoint> endpoint(const WebhookId& id) = 0;
  // Results of deliveries that are gone are dropped. Claims of webhooks that are not active, or
  // gone, come back empty. Events that it publishes are the webhook's tenant's and partner's, and
  // go to everyone who wants them but that webhook itself: one that failed on such an event would
  // make another one of it for ever.
  virtual QueueTurnResult queue_turn(const QueueTurn& turn, Timestamp now) = 0;
  // `taker` gets what publish() claims, after the commit and before whoever published is answered,
  // on a thread of the store's: it must be quick, must not throw and must not wait for the store.
  // Set it before the first claim that leaves places standing; null, once no loop takes any: when
  // this returns, the former one is not called any more.
  using FreshClaims = std::function<void(std::vector<FreshClaim>)>;
  virtual void hand_fresh_claims_to(FreshClaims taker) = 0;

  // -- finished attempts

  // Looks at `limit` attempts with ids above `after`. Ids become visible in ascending order and
  // none is used twice: who reads on from where a page ended misses none and sees none again.
  virtual AttemptPage attempts_after(AttemptId after, int limit) = 0;
  // The highest id so far; 0 when there was none yet.
  virtual AttemptId newest_attempt() = 0;
  // What ended at or after `since` has a higher id, and a minute's worth of others perhaps too.
  virtual AttemptId attempt_before(Timestamp since) = 0;

  // -- numbers

  // `window` counts back from `now`; one hour to 30 days.
  virtual std::optional<Stats> stats(const WebhookId& id, std::chrono::hours window,
                                     Timestamp now) = 0;
  virtual StoreStatus status() = 0;
  // Throws StoreError unless a write goes through right now.
  virtual void check_writable(Timestamp now) = 0;
  // False while less is free than is kept back for results and upkeep: then publish() and
  // create_webhook() throw StoreError low_space, and everything else goes on. Never blocks.
  virtual bool has_room() = 0;

  // -- upkeep

  // A bounded piece of it: what a full disk kept from recovery, leases that ended, what a
  // disabling or another tenant or partner left waiting, history of deleted webhooks, old rollups,
  // what is older than it is to be kept (`Retention`; within an hour), space that can be given
  // back. Call it every second; it says whether to come again at once, after a pause that leaves
  // the store to others. Webhooks that it deleted, or whose queue it changed so that
  // their endpoint is to be read again, are added to `changed`, also several times; when it throws
  // there are none.
  virtual MoreWork do_housekeeping(Timestamp now, std::vector<WebhookId>& changed) = 0;

  // -- the audit log

  virtual std::vector<AuditEntry> audit(std::optional<std::int64_t> before_id, int limit) = 0;
  // A row of its own for what changes nothing here, like a token that is made. `detail` is a JSON
  // object without secrets.
  virtual void add_audit(std::string_view action, const std::string& detail,
                         const ChangeContext& context) = 0;
};

}  // namespace webhookd
