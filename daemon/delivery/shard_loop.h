#pragma once

// The core of a loop, without its thread: decides what is claimed, started and recorded. Never
// waits and never reads a clock, so that tests can step it. Not thread-safe.

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "delivery/endpoint_queue.h"
#include "delivery/request.h"
#include "delivery/sender.h"
#include "delivery/state_board.h"
#include "delivery/turn.h"
#include "shared/random.h"

namespace webhookd {

struct ShardLoopOptions {
  int max_in_flight = 8192;
  // Nothing is started while this many results are on their way to the store.
  int max_unrecorded = 4096;
  // Bodies of claimed deliveries. Beyond it only endpoints that hold nothing may claim, one each,
  // so that none can starve another.
  std::size_t claimed_bytes = 64 * 1024 * 1024;
  std::vector<std::chrono::seconds> default_schedule;
  RequestStyle style;
};

// One synchronous attempt, outside of every rule about when an endpoint may be sent to.
struct TestSend {
  Endpoint endpoint;
  ClaimedDelivery delivery;
  // Called once, on the loop's thread, with a result that is not recorded yet.
  std::function<void(AttemptResult)> done;
};

struct LoopCounts {
  int endpoints = 0;
  int in_flight = 0;
  int unrecorded = 0;
  int open_circuits = 0;
};

class ShardLoop {
 public:
  // All by reference must outlive it.
  ShardLoop(ShardLoopOptions options, Sender& sender, TurnSink& sink, Random& random,
            StateBoard& board);

  // Takes on an endpoint that it does not know, as it starts.
  void adopt(Endpoint endpoint, Moment now);
  // "This webhook has work." Unknown ones are ignored: refresh() makes them known.
  void note(const WebhookId& webhook, Moment now);
  // What the store now says; absent: it is gone, and its attempts are aborted.
  void refresh(const WebhookId& webhook, std::optional<Endpoint> endpoint, Moment now);
  void send_test(TestSend test, Moment now);
  // The result of a test that its caller could not record.
  void record_test(AttemptResult result);
  void answered(TurnAnswer answer, Moment now);
  // What publications have claimed. Those of unknown webhooks are ignored: they are deleted.
  void received(std::vector<FreshClaim> claims, Moment now);
  void ended(std::vector<SendResult> results, Moment now);

  // Fires what is due, claims, starts, submits. Returns for how long there is nothing to do,
  // at most a second.
  std::chrono::milliseconds step(Moment now);

  // From now on nothing is started; what is in hand goes back to the store with the next step.
  void stop_starting(Moment now);
  // Nothing is under way and everything is recorded.
  bool is_idle() const;
  // Ends every test with an `interrupted` result.
  void abandon_tests(Moment now);

  LoopCounts counts() const;

 private:
  struct Place {
    Place(Endpoint endpoint, Moment now) : queue(std::move(endpoint), now) {}
    EndpointQueue queue;
    EndpointState posted;
    std::optional<Timestamp> timer;
    bool is_posted = false;
    bool is_ready = false;      // in ready_
    bool is_asking = false;     // in asking_
    bool is_unwell = false;     // in unwell_: its health changed
    bool is_moved_now = false;  // its last shift is in turn_
  };
  struct InFlight {
    Place* place = nullptr;  // none for a test
    SentAttempt sent;
    AttemptRole role = AttemptRole::ordinary;
    std::size_t body_bytes = 0;
    std::function<void(AttemptResult)> test_done;
  };

  // Brings everything that depends on an endpoint's state up to date. Call after each change.
  void touch(Place& place, Moment now);
  void release(const std::vector<ClaimedDelivery>& deliveries);
  void set_timer(Place& place, std::optional<Timestamp> at);
  void post_state(Place& place, Timestamp now);
  void drop(Place& place, Moment now);
  // Call before times are taken from `now` or compared with it.
  void notice_clock_jump(Moment now);
  void look_for_stamped_ahead(Moment now);
  void mark_unwell(Place& place);
  void tell_health();
  void ask_for_shifts();
  void take_shifts(const TurnAnswer& answer, Moment now);
  void fire_timers(Moment now);
  void ask(Moment now);
  int claim_budget(const Place& place) const;
  // How many places of one endpoint may stand.
  int standing_allowance() const;
  void count_claimed(const std::vector<ClaimedDelivery>& deliveries);
  bool may_start() const;
  void start_ready(Moment now);
  void start_one(Place& place, Moment now);
  void send(InFlight attempt, const Endpoint& endpoint, ClaimedDelivery& delivery, Moment now);
  void record(Place& place, InFlight attempt, SendResult ended, Moment now);
  // What an attempt's end says about the whole webhook, which goes to the store with the result.
  void disable(Place& place, std::string reason, Moment now);
  void announce_recovery(const EndpointHealth& before, const WebhookId& webhook, Moment now);
  void submit_turn();
  std::chrono::milliseconds sleep_time(Timestamp now) const;
  TransferId next_transfer() { return {++last_transfer_}; }

  const ShardLoopOptions options_;
  Sender& sender_;
  TurnSink& sink_;
  Random& random_;
  StateBoard& board_;

  std::unordered_map<WebhookId, std::unique_ptr<Place>> places_;
  std::unordered_map<TransferId, InFlight> in_flight_;
  std::deque<Place*> ready_;   // have something to start: round robin
  std::deque<Place*> asking_;  // want claims: first come, first served
  std::vector<Place*> unwell_;
  std::deque<Place*>
      shifting_;  // wait until the store has moved their times to a clock that was set
  std::set<std::pair<Timestamp, Place*>> timers_;

  QueueTurn turn_;
  int unrecorded_ = 0;
  int turns_due_ = 0;        // submitted, not yet answered
  int claims_due_ = 0;       // deliveries asked for, not yet answered
  bool shifts_due_ = false;  // asked for, not yet answered
  int open_circuits_ = 0;
  std::size_t claimed_bytes_ = 0;
  double usual_body_bytes_;
  bool starts_ = true;
  std::uint64_t last_transfer_ = 0;
  std::optional<Moment> last_seen_;
  std::deque<Monotonic> looks_;  // when to look for what is stamped ahead of a clock set back
};

}  // namespace webhookd
