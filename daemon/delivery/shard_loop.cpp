// One thing: what happens to a loop, the lists that follow from it, and the step that acts on them.
// What it does when the clock is set is in shard_loop_clock.cpp.

#include "delivery/shard_loop.h"

#include <algorithm>
#include <cassert>

#include "delivery/attempt_log.h"
#include "delivery/long_failure.h"
#include "shared/ids.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestSleep{1000};
constexpr int kMostClaimsDue = 2048;
// Between them answers are taken in: receivers that answer at once then never have thousands of
// transfers open, which would make each of them dearer.
constexpr int kStartsPerStep = 64;
// Of a loop's endpoints together: at most 64 MiB of bodies.
constexpr int kMostStanding = 16'384;
constexpr int kLeastClaimsDue = 256;  // for endpoints that hold nothing, whatever the bytes
// Claims come before their sizes are known: expect much until we have seen some.
constexpr double kFirstBodyGuess = 256 * 1024;
constexpr double kRetryJitter = 0.1;
constexpr const char* kDeleted = "the webhook was deleted";
constexpr const char* kStopped = "the daemon stopped";

bool is_success(const SendResult& ended) {
  return !ended.error && ended.status && *ended.status / 100 == 2;
}

SentAttempt sent_attempt(const WebhookId& webhook, const ClaimedDelivery& delivery, Timestamp now,
                         Headers shown) {
  return {webhook,          delivery.id, delivery.attempt_number, delivery.max_attempts,
          delivery.trigger, now,         std::move(shown)};
}

bool is_empty(const QueueTurn& turn) {
  return turn.results.empty() && turn.health.empty() && turn.disable.empty() &&
         turn.recovered.empty() && turn.released.empty() && turn.shifts.empty() &&
         turn.claims.empty() && turn.withdrawn.empty();
}

bool same(const EndpointState& left, const EndpointState& right) {
  return left.circuit == right.circuit && left.next_probe_at == right.next_probe_at &&
         left.held_until == right.held_until && left.hold_reason == right.hold_reason;
}

}  // namespace

ShardLoop::ShardLoop(ShardLoopOptions options, Sender& sender, TurnSink& sink, Random& random,
                     StateBoard& board)
    : options_(std::move(options)),
      sender_(sender),
      sink_(sink),
      random_(random),
      board_(board),
      usual_body_bytes_(kFirstBodyGuess) {}

// ---- what happens -----------------------------------------------------------------------------

void ShardLoop::note(const WebhookId& webhook, Moment now) {
  const auto found = places_.find(webhook);
  if (found == places_.end()) return;
  found->second->queue.note();
  touch(*found->second, now);
}

void ShardLoop::adopt(Endpoint endpoint, Moment now) {
  const WebhookId id = endpoint.id;
  const auto [place, is_new] =
      places_.emplace(id, std::make_unique<Place>(std::move(endpoint), now));
  assert(is_new);
  EndpointQueue& queue = place->second->queue;
  if (queue.is_shifting()) mark_unwell(*place->second);
  // The process before this one may have ended before it looked.
  if (queue.endpoint().next_due) queue.look_for_stamped_ahead(now.wall);
  if (queue.is_shifting()) shifting_.push_back(place->second.get());
  touch(*place->second, now);
}

void ShardLoop::refresh(const WebhookId& webhook, std::optional<Endpoint> endpoint, Moment now) {
  const auto found = places_.find(webhook);
  if (!endpoint) {
    if (found != places_.end()) drop(*found->second, now);
    return;
  }
  if (found != places_.end()) {
    EndpointQueue& queue = found->second->queue;
    const bool is_narrower = endpoint->max_in_flight < queue.endpoint().max_in_flight;
    if (is_narrower && queue.may_have_standing()) turn_.withdrawn.push_back(webhook);
    queue.replace(std::move(*endpoint), now);
    touch(*found->second, now);
    return;
  }
  adopt(std::move(*endpoint), now);
  // A note that came before it was known was lost.
  note(webhook, now);
}

void ShardLoop::send_test(TestSend test, Moment now) {
  // Nothing is sent any more once a deletion is answered, or the daemon stops.
  if (!places_.contains(test.endpoint.id) || !starts_) {
    SentAttempt sent = sent_attempt(test.endpoint.id, test.delivery, now.wall, {});
    const char* why = starts_ ? kDeleted : kStopped;
    return test.done(interrupted(std::move(sent), why, now.wall));
  }
  InFlight attempt;
  attempt.body_bytes = test.delivery.body.size();
  attempt.test_done = std::move(test.done);
  claimed_bytes_ += attempt.body_bytes;
  send(std::move(attempt), test.endpoint, test.delivery, now);
}

void ShardLoop::record_test(AttemptResult result) {
  turn_.results.push_back(std::move(result));
  ++unrecorded_;
}

void ShardLoop::answered(TurnAnswer answer, Moment now) {
  notice_clock_jump(now);
  assert(answer.asked.size() == answer.given.claims.size());
  unrecorded_ -= answer.results;
  turns_due_ -= answer.turns;
  assert(unrecorded_ >= 0 && turns_due_ >= 0);
  take_shifts(answer, now);
  for (std::size_t i = 0; i < answer.asked.size(); ++i) {
    const ClaimRequest& asked = answer.asked[i];
    Claim& claim = answer.given.claims[i];
    claims_due_ -= asked.limit;
    const auto found = places_.find(asked.webhook);
    if (found == places_.end()) continue;  // deleted meanwhile, and its deliveries with it
    count_claimed(claim.deliveries);
    found->second->queue.answered(asked, std::move(claim), now.wall);
    touch(*found->second, now);
  }
}

void ShardLoop::received(std::vector<FreshClaim> claims, Moment now) {
  notice_clock_jump(now);
  for (FreshClaim& claim : claims) {
    const auto found = places_.find(claim.webhook);
    if (found == places_.end()) continue;
    count_claimed(claim.deliveries);
    found->second->queue.received(std::move(claim));
    touch(*found->second, now);
  }
}

void ShardLoop::count_claimed(const std::vector<ClaimedDelivery>& deliveries) {
  for (const ClaimedDelivery& delivery : deliveries) {
    claimed_bytes_ += delivery.body.size();
    const double surprise = static_cast<double>(delivery.body.size()) - usual_body_bytes_;
    usual_body_bytes_ += surprise / (surprise > 0 ? 8 : 64);
  }
}

void ShardLoop::ended(std::vector<SendResult> results, Moment now) {
  notice_clock_jump(now);
  for (SendResult& result : results) {
    auto node = in_flight_.extract(result.id);
    if (node.empty()) continue;
    InFlight attempt = std::move(node.mapped());
    claimed_bytes_ -= attempt.body_bytes;
    if (attempt.place != nullptr) {
      Place& place = *attempt.place;
      record(place, std::move(attempt), std::move(result), now);
    } else {
      attempt.test_done(judge(std::move(attempt.sent), std::move(result), {}, now.wall).result);
    }
  }
}

void ShardLoop::record(Place& place, InFlight attempt, SendResult ended, Moment now) {
  const Endpoint& endpoint = place.queue.endpoint();
  RetryRules rules{endpoint.retry_schedule ? *endpoint.retry_schedule : options_.default_schedule};
  if (!is_success(ended)) rules.jitter = (random_.unit() * 2 - 1) * kRetryJitter;
  const Trigger trigger = attempt.sent.trigger;
  Outcome outcome = judge(std::move(attempt.sent), std::move(ended), rules, now.wall);
  const EndpointHealth before = endpoint.health;
  place.queue.ended(trigger, attempt.role, outcome, now);
  log_attempt(outcome.result);
  mark_unwell(place);
  if (circuit_is_open(before) && !circuit_is_open(endpoint.health)) {
    announce_recovery(before, endpoint.id, now);
  }
  const auto& error = outcome.result.attempt.error;
  if (error && !outcome.disable_reason && has_failed_too_long(endpoint.health)) {
    outcome.disable_reason = long_failure_reason(endpoint.health, *error);
  }
  if (outcome.disable_reason) disable(place, std::move(*outcome.disable_reason), now);
  turn_.results.push_back(std::move(outcome.result));
  ++unrecorded_;
  touch(place, now);
}

void ShardLoop::disable(Place& place, std::string reason, Moment now) {
  const Endpoint& endpoint = place.queue.endpoint();
  if (endpoint.status == WebhookStatus::disabled) return;
  log_disabling(endpoint.id, reason);
  turn_.disable.push_back({endpoint.id, std::move(reason), new_event_id(now.wall, random_)});
  place.queue.disable();
}

void ShardLoop::announce_recovery(const EndpointHealth& before, const WebhookId& webhook,
                                  Moment now) {
  turn_.recovered.push_back({webhook, new_event_id(now.wall, random_), before.consecutive_failures,
                             before.failing_since, now.wall});
}

// ---- keeping lists up to date -----------------------------------------------------------------

void ShardLoop::touch(Place& place, Moment now) {
  release(starts_ ? place.queue.take_back(now) : place.queue.take_back_all());
  if (starts_) {
    if (!place.is_ready && place.queue.can_start(now)) {
      place.is_ready = true;
      ready_.push_back(&place);
    }
    if (!place.is_asking && place.queue.wants_claims(standing_allowance(), now)) {
      place.is_asking = true;
      asking_.push_back(&place);
    }
    set_timer(place, place.queue.wake_at(now));
  }
  post_state(place, now.wall);
}

void ShardLoop::release(const std::vector<ClaimedDelivery>& deliveries) {
  for (const ClaimedDelivery& delivery : deliveries) {
    claimed_bytes_ -= delivery.body.size();
    turn_.released.push_back(delivery.id);
  }
}

void ShardLoop::set_timer(Place& place, std::optional<Timestamp> at) {
  if (place.timer == at) return;
  if (place.timer) timers_.erase({*place.timer, &place});
  place.timer = at;
  if (at) timers_.emplace(*at, &place);
}

void ShardLoop::post_state(Place& place, Timestamp now) {
  EndpointState state = place.queue.state(now);
  if (place.is_posted && same(state, place.posted)) return;
  const auto is_open = [](const EndpointState& s) { return s.circuit != CircuitState::closed; };
  open_circuits_ += static_cast<int>(is_open(state)) - static_cast<int>(is_open(place.posted));
  log_circuit(place.queue.id(), place.posted.circuit, state.circuit);
  board_.post(place.queue.id(), state);
  place.posted = std::move(state);
  place.is_posted = true;
}

void ShardLoop::drop(Place& place, Moment now) {
  const WebhookId id = place.queue.id();
  std::vector<TransferId> aborted;
  for (const auto& [transfer, attempt] : in_flight_) {
    if (attempt.sent.webhook == id) aborted.push_back(transfer);
  }
  for (const TransferId transfer : aborted) {
    sender_.abort(transfer);
    auto node = in_flight_.extract(transfer);
    InFlight attempt = std::move(node.mapped());
    claimed_bytes_ -= attempt.body_bytes;
    if (attempt.test_done) {
      attempt.test_done(interrupted(std::move(attempt.sent), kDeleted, now.wall));
    }
  }
  for (const ClaimedDelivery& delivery : place.queue.take_back_all()) {
    claimed_bytes_ -= delivery.body.size();  // nothing to release: the store has forgotten them
  }
  std::erase(ready_, &place);
  std::erase(asking_, &place);
  std::erase(unwell_, &place);
  std::erase(shifting_, &place);
  set_timer(place, std::nullopt);
  if (place.posted.circuit != CircuitState::closed) --open_circuits_;
  board_.remove(id);
  places_.erase(id);
}

// ---- a step -----------------------------------------------------------------------------------

milliseconds ShardLoop::step(Moment now) {
  notice_clock_jump(now);
  fire_timers(now);
  if (starts_) look_for_stamped_ahead(now);
  ask_for_shifts();
  if (starts_) {
    ask(now);
    start_ready(now);
  }
  submit_turn();
  return sleep_time(now.wall);
}

void ShardLoop::fire_timers(Moment now) {
  while (!timers_.empty() && timers_.begin()->first <= now.wall) {
    Place& place = *timers_.begin()->second;
    set_timer(place, std::nullopt);
    touch(place, now);
  }
}

// How many deliveries an endpoint may ask for without holding too much of what others need.
int ShardLoop::claim_budget(const Place& place) const {
  const double due = claims_due_ * usual_body_bytes_;
  const double bytes_left =
      static_cast<double>(options_.claimed_bytes) - static_cast<double>(claimed_bytes_) - due;
  const auto by_bytes =
      static_cast<int>(std::clamp(bytes_left / std::max(1.0, usual_body_bytes_), 0.0, 1e6));
  const int budget = std::min(by_bytes, kMostClaimsDue - claims_due_);
  if (budget > 0) return budget;
  return place.queue.holds_nothing() && claims_due_ < kLeastClaimsDue ? 1 : 0;
}

int ShardLoop::standing_allowance() const {
  return kMostStanding / std::max(1, static_cast<int>(places_.size()));
}

void ShardLoop::ask(Moment now) {
  if (unrecorded_ >= options_.max_unrecorded) return;
  for (std::size_t left = asking_.size(); left > 0 && claims_due_ < kMostClaimsDue; --left) {
    Place& place = *asking_.front();
    asking_.pop_front();
    place.is_asking = false;
    const int budget = claim_budget(place);
    for (const ClaimRequest& request :
         place.queue.claim_requests(budget, standing_allowance(), now)) {
      claims_due_ += request.limit;
      turn_.claims.push_back(request);
    }
    touch(place, now);  // asks again when the budget did not allow it now
  }
}

bool ShardLoop::may_start() const {
  return !ready_.empty() && static_cast<int>(in_flight_.size()) < options_.max_in_flight &&
         unrecorded_ < options_.max_unrecorded;
}

void ShardLoop::start_ready(Moment now) {
  for (int started = 0; started < kStartsPerStep && may_start(); ++started) {
    Place& place = *ready_.front();
    ready_.pop_front();
    place.is_ready = false;
    if (place.queue.can_start(now)) start_one(place, now);
    touch(place, now);
  }
}

void ShardLoop::start_one(Place& place, Moment now) {
  EndpointQueue::Start start = place.queue.start_next(now);
  InFlight attempt;
  attempt.place = &place;
  attempt.role = start.role;
  attempt.body_bytes = start.delivery.body.size();
  send(std::move(attempt), place.queue.endpoint(), start.delivery, now);
}

void ShardLoop::send(InFlight attempt, const Endpoint& endpoint, ClaimedDelivery& delivery,
                     Moment now) {
  SendRequest request = build_request(options_.style, endpoint, delivery, now.wall);
  const TransferId id = next_transfer();
  sender_.start(id, request);
  attempt.sent = sent_attempt(endpoint.id, delivery, now.wall,
                              shown_headers(std::move(request.headers), endpoint));
  in_flight_.emplace(id, std::move(attempt));
}

void ShardLoop::mark_unwell(Place& place) {
  if (std::exchange(place.is_unwell, true)) return;
  unwell_.push_back(&place);
}

void ShardLoop::submit_turn() {
  tell_health();
  if (is_empty(turn_)) return;
  ++turns_due_;
  sink_.submit(std::exchange(turn_, {}));
}

// A timer never sleeps through a clock that is set back.
milliseconds ShardLoop::sleep_time(Timestamp now) const {
  if (starts_ && may_start()) return milliseconds{0};
  if (timers_.empty()) return kLongestSleep;
  return std::clamp(timers_.begin()->first - now, milliseconds{0}, kLongestSleep);
}

// ---- the end ----------------------------------------------------------------------------------

void ShardLoop::stop_starting(Moment now) {
  starts_ = false;
  ready_.clear();
  asking_.clear();
  timers_.clear();
  for (const auto& [id, place] : places_) {
    place->is_ready = place->is_asking = false;
    place->timer.reset();
    if (place->queue.may_have_standing()) turn_.withdrawn.push_back(id);
    touch(*place, now);
  }
}

bool ShardLoop::is_idle() const {
  return in_flight_.empty() && shifting_.empty() && turns_due_ == 0 && is_empty(turn_);
}

void ShardLoop::abandon_tests(Moment now) {
  for (auto& [id, attempt] : in_flight_) {
    if (!attempt.test_done) continue;
    sender_.abort(id);
    attempt.test_done(interrupted(std::move(attempt.sent), kStopped, now.wall));
    attempt.test_done = nullptr;
  }
}

LoopCounts ShardLoop::counts() const {
  return {static_cast<int>(places_.size()), static_cast<int>(in_flight_.size()), unrecorded_,
          open_circuits_};
}

}  // namespace webhookd
