#pragma once

// What a shard loop holds of one endpoint, and every rule about when something of it may be
// claimed or started. Knows no transfers and no store. Not thread-safe: one loop owns it.

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "delivery/circuit.h"
#include "delivery/outcome.h"
#include "delivery/rate_limiter.h"
#include "store/store.h"

namespace webhookd {

// One reading of all clocks.
struct Moment {
  Timestamp wall;
  Monotonic steady;
  std::chrono::milliseconds slept{0};  // see Clock
};

// Below it nothing is done: probes and retries may be so much early or late.
inline constexpr std::chrono::seconds kSmallestClockJump{5};

class EndpointQueue {
 public:
  EndpointQueue(Endpoint endpoint, Moment now);

  const Endpoint& endpoint() const { return endpoint_; }
  const WebhookId& id() const { return endpoint_.id; }
  EndpointState state(Timestamp now) const;

  // ---- what happens to it

  // The store may have new work.
  void note();
  // New settings. Health stays ours, except when the webhook leaves `disabled`.
  void replace(Endpoint endpoint, Moment now);
  // Until the store has written it, what it says of the status is older.
  void disable();
  // The wall clock was set by so much, and shows `now` since. Until the store has moved what waits,
  // nothing is claimed, and what is in hand goes back.
  void clock_was_set(std::chrono::milliseconds by, Timestamp now);
  // Finds what was stored with a time of before the clock was set back.
  void look_for_stamped_ahead(Timestamp now);

  // ---- shifting

  bool is_shifting() const { return !shifts_.empty(); }
  // Of these, how many move all that waits: until they are done the rows and the health that the
  // store has are of an older clock.
  int moves_left() const;
  // What to ask the store for now: nothing before it has answered every claim.
  const ClockShift* next_shift() const;
  void shifted(const ClockShiftPiece& piece);

  // ---- claiming

  // What to ask the store for now, at most `most` deliveries; none while an answer is due. At most
  // `standing` of the places that they leave free are to stand.
  std::vector<ClaimRequest> claim_requests(int most, int standing, Moment now);
  bool wants_claims(int standing, Moment now);
  void answered(const ClaimRequest& asked, Claim claim, Timestamp now);
  // Claimed by publications, for places that stood.
  void received(FreshClaim claim);
  // Places of it may stand in the store.
  bool may_have_standing() const { return standing_ > 0 || answers_due_ > 0; }

  // Claims in hand that may not be started for longer than a moment; they leave the queue.
  std::vector<ClaimedDelivery> take_back(Moment now);
  // All of them.
  std::vector<ClaimedDelivery> take_back_all();

  // ---- sending

  struct Start {
    ClaimedDelivery delivery;
    AttemptRole role = AttemptRole::ordinary;
  };
  bool can_start(Moment now);
  // can_start() must hold.
  Start start_next(Moment now);
  void ended(Trigger trigger, AttemptRole role, const Outcome& outcome, Moment now);

  int in_flight() const { return in_flight_; }
  bool holds_nothing() const { return in_flight_ == 0 && automatic_.empty() && manual_.empty(); }

  // When to look at it again if nothing else happens.
  std::optional<Timestamp> wake_at(Moment now);

 private:
  bool is_active() const { return endpoint_.status == WebhookStatus::active; }
  const EndpointHealth& health() const { return endpoint_.health; }
  // Circuit and hold: absent when open for automatic deliveries.
  std::optional<Timestamp> shut_until(Timestamp now) const;
  bool may_start_automatic(Moment now);
  // How many automatic deliveries may be claimed now.
  int automatic_room(Moment now);
  int manual_room() const;
  bool wants_automatic(Moment now);
  // How many places may stand now.
  int standing_room(int standing, Moment now);
  bool wants_standing(int standing, Moment now);
  bool wants_manual(Moment now);
  std::optional<Timestamp> due(Timestamp now) const;
  void expect_retry(Timestamp at);
  void set_rate(Moment now);
  // Adds the time since the last failure to that for which the endpoint has been failing.
  void watch_failing(Monotonic now);
  // Automatic deliveries must wait for a place or for the rate.
  bool is_blocked(Monotonic now);

  Endpoint endpoint_;
  std::optional<std::int64_t> kept_before_;  // kept_from, until our own disabling has raised it
  std::optional<RateLimiter> rate_;
  std::optional<std::string> hold_reason_;

  // In hand: claimed, not started.
  std::deque<ClaimedDelivery> automatic_;
  std::deque<ClaimedDelivery> manual_;

  int in_flight_ = 0;
  int automatic_in_flight_ = 0;
  int probes_in_flight_ = 0;
  int prefetch_ = 0;    // how many more than it may send at once it may claim; grows with successes
  Monotonic moved_at_;  // when an attempt last began or ended
  Monotonic watched_at_;  // when an attempt last failed here, or this queue was made

  std::deque<ClockShift> shifts_;  // in the order in which the clock was set

  int answers_due_ = 0;
  int void_answers_ = 0;  // of these, to claims of before a new generation or a smaller cap
  int standing_ = 0;      // places, as the store said last, without those that have been taken
  bool none_may_stand_ = false;   // the store left none, until something happens there
  bool give_back_ = false;        // what is in hand was claimed under another generation or cap
  bool look_ = false;             // the store may have something that next_due_ does not know of
  bool look_for_manual_ = false;  // the same for retries by hand
  bool manual_asked_ = false;     // the claim under way is to bring them
  bool backlog_ = false;          // the last claim was filled to its limit
  std::optional<Timestamp> next_due_;   // as the store said last
  std::optional<Timestamp> retry_due_;  // of what was given back since the last claim was asked for
};

}  // namespace webhookd
