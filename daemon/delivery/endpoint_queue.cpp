#include "delivery/endpoint_queue.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr int kPrefetchPerSuccess = 4;
// When no attempt has begun or ended for so long, what is claimed beyond them goes back.
constexpr milliseconds kPrefetchPatience{200};
// When the store says that something is due and yet hands out nothing.
constexpr milliseconds kEmptyHanded{100};
constexpr std::chrono::hours kLongestHold{24};
// Between a claim's wish and its transaction: what becomes due meanwhile comes along.
constexpr std::chrono::seconds kClaimLead{2};

std::optional<Timestamp> earliest(std::optional<Timestamp> left, std::optional<Timestamp> right) {
  if (!left) return right;
  if (!right) return left;
  return std::min(*left, *right);
}

std::optional<Timestamp> latest(std::optional<Timestamp> left, std::optional<Timestamp> right) {
  return std::max(left, right);  // absent comes before every time
}

int count(const std::deque<ClaimedDelivery>& deliveries) {
  return static_cast<int>(deliveries.size());
}

void move_all(std::deque<ClaimedDelivery>& from, std::vector<ClaimedDelivery>& to) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
  from.clear();
}

}  // namespace

EndpointQueue::EndpointQueue(Endpoint endpoint, Moment now)
    : endpoint_(std::move(endpoint)),
      moved_at_(now.steady),
      watched_at_(now.steady),
      next_due_(endpoint_.next_due) {
  set_rate(now);
  // What was stored at a later time than it is now was stored before the clock was set back.
  const std::optional<Timestamp> heard_at =
      latest(health().last_failure_at, health().last_success_at);
  auto ahead = std::chrono::milliseconds::min();
  if (heard_at) ahead = *heard_at - now.wall;
  // What the process before this one had begun is not to be begun again, but to be finished.
  if (endpoint_.unfinished_shift) {
    const ClockShift begun = std::move(*std::exchange(endpoint_.unfinished_shift, std::nullopt));
    if (heard_at) ahead += begun.by;
    endpoint_.health = after_clock_was_set(health(), begun.by, now.wall);
    shifts_.push_back(begun);
    note();
  }
  if (ahead >= kSmallestClockJump) clock_was_set(-ahead, now.wall);
}

EndpointState EndpointQueue::state(Timestamp now) const {
  EndpointState state;
  state.circuit = circuit_state(health(), probes_in_flight_);
  state.next_probe_at = health().next_probe_at;
  if (health().held_until && *health().held_until > now) {
    state.held_until = health().held_until;
    state.hold_reason = hold_reason_.value_or("the receiver asked for a pause with Retry-After");
  }
  return state;
}

// ---- what happens to it -----------------------------------------------------------------------

void EndpointQueue::note() {
  none_may_stand_ = false;
  look_ = true;
  look_for_manual_ = true;
}

void EndpointQueue::replace(Endpoint endpoint, Moment now) {
  if (kept_before_ && endpoint.kept_from <= *kept_before_) {
    endpoint.status = WebhookStatus::disabled;
  } else {
    kept_before_.reset();
  }
  // What was claimed under a larger cap is more than it may have in flight by the new one.
  const bool is_narrower = endpoint.max_in_flight < endpoint_.max_in_flight;
  if (endpoint.generation != endpoint_.generation || is_narrower) {
    give_back_ = true;
    void_answers_ = answers_due_;
  }
  const bool was_disabled =
      endpoint_.status == WebhookStatus::disabled || endpoint.kept_from > endpoint_.kept_from;
  const bool revived = was_disabled && endpoint.status != WebhookStatus::disabled;
  if (!revived) endpoint.health = endpoint_.health;
  endpoint_ = std::move(endpoint);
  prefetch_ = std::min(prefetch_, endpoint_.max_in_flight);
  set_rate(now);
  note();
}

void EndpointQueue::disable() {
  endpoint_.status = WebhookStatus::disabled;
  kept_before_ = endpoint_.kept_from;
}

void EndpointQueue::clock_was_set(milliseconds by, Timestamp now) {
  endpoint_.health = after_clock_was_set(health(), by, now);
  shifts_.push_back({id(), by, std::min(now, now - by), {}, std::nullopt});
  note();
}

void EndpointQueue::look_for_stamped_ahead(Timestamp now) {
  shifts_.push_back({id(), milliseconds{0}, now, {}, std::nullopt, Shifted::stamped_ahead});
  note();
}

int EndpointQueue::moves_left() const {
  return static_cast<int>(std::ranges::count(shifts_, Shifted::all_that_wait, &ClockShift::what));
}

const ClockShift* EndpointQueue::next_shift() const {
  return is_shifting() && answers_due_ == 0 ? &shifts_.front() : nullptr;
}

void EndpointQueue::shifted(const ClockShiftPiece& piece) {
  shifts_.front().reached = piece.reached;
  if (piece.done) shifts_.pop_front();
}

void EndpointQueue::set_rate(Moment now) {
  const std::optional<double>& limit = endpoint_.rate_limit_per_second;
  if (!limit) {
    rate_.reset();
  } else if (rate_) {
    rate_->set_rate(*limit, now.steady);
  } else {
    rate_.emplace(*limit, now.steady);
  }
}

// ---- when something may be claimed or started -------------------------------------------------

std::optional<Timestamp> EndpointQueue::shut_until(Timestamp now) const {
  std::optional<Timestamp> until;
  if (health().held_until && *health().held_until > now) until = health().held_until;
  const auto& probe_at = health().next_probe_at;
  if (probe_at && *probe_at > now) until = std::max(until.value_or(*probe_at), *probe_at);
  return until;
}

bool EndpointQueue::may_start_automatic(Moment now) {
  if (!is_active() || shut_until(now.wall)) return false;
  if (circuit_is_open(health()) && probes_in_flight_ > 0) return false;
  if (endpoint_.ordered && automatic_in_flight_ > 0) return false;
  return !rate_ || rate_->available(now.steady) > 0;
}

int EndpointQueue::automatic_room(Moment now) {
  if (!is_active() || shut_until(now.wall)) return 0;
  int room = 0;
  if (circuit_is_open(health())) {
    room = 1 - probes_in_flight_ - count(automatic_);
    if (endpoint_.ordered) room -= automatic_in_flight_;
  } else if (endpoint_.ordered) {
    room = 1 - automatic_in_flight_ - count(automatic_);
  } else {
    room = endpoint_.max_in_flight + prefetch_ - in_flight_ - count(automatic_) - count(manual_);
  }
  if (rate_) room = std::min(room, rate_->available(now.steady) - count(automatic_));
  return std::max(room, 0);
}

int EndpointQueue::manual_room() const {
  return std::max(0, endpoint_.max_in_flight - in_flight_ - count(manual_));
}

std::optional<Timestamp> EndpointQueue::due(Timestamp now) const {
  if (look_) return now;
  return earliest(next_due_, retry_due_);
}

bool EndpointQueue::wants_automatic(Moment now) {
  const std::optional<Timestamp> at = due(now.wall);
  if (!at || *at > now.wall) return false;
  const int room = automatic_room(now);
  // A turn for each single place that becomes free would cost more than it brings.
  return room > 0 && (automatic_.empty() || room >= endpoint_.max_in_flight / 2);
}

// Only where attempts succeed, and not where each has to wait for its turn.
int EndpointQueue::standing_room(int standing, Moment now) {
  if (endpoint_.ordered || rate_ || circuit_is_open(health())) return 0;
  return std::min({standing, prefetch_, automatic_room(now)});
}

// Seldom enough that a claim serves many deliveries.
bool EndpointQueue::wants_standing(int standing, Moment now) {
  if (none_may_stand_) return false;
  const int room = standing_room(standing, now);
  return 2 * room >= endpoint_.max_in_flight && 2 * standing_ <= room;
}

// A claim of anything brings retries by hand too, unless others are before them.
bool EndpointQueue::wants_manual(Moment now) {
  return look_for_manual_ && manual_room() > 0 && (backlog_ || automatic_room(now) == 0);
}

bool EndpointQueue::wants_claims(int standing, Moment now) {
  if (!is_active() || is_shifting() || answers_due_ > 0) return false;
  return wants_automatic(now) || wants_manual(now) || wants_standing(standing, now);
}

std::vector<ClaimRequest> EndpointQueue::claim_requests(int most, int standing, Moment now) {
  std::vector<ClaimRequest> requests;
  if (most < 1 || !wants_claims(standing, now)) return requests;
  // A claim for fewer places than may stand would be asked for again and again.
  const bool renewal = wants_standing(standing, now) && most >= standing_room(standing, now);
  const bool automatic = wants_automatic(now) || renewal;
  const bool manual = wants_manual(now);
  if (!automatic && !manual) return requests;  // what is awaited stays so until it is asked for
  const Timestamp due_by = now.wall + kClaimLead;
  if (manual) {
    requests.push_back({id(), std::min(most, manual_room()), Claimable::manual_only, due_by});
  }
  if (automatic) {
    requests.push_back({id(), std::min(most, automatic_room(now)), Claimable::any, due_by,
                        standing_room(standing, now)});
  }
  manual_asked_ = std::exchange(look_for_manual_, false);
  look_ = false;
  if (automatic) next_due_.reset();
  retry_due_.reset();
  answers_due_ = static_cast<int>(requests.size());
  return requests;
}

void EndpointQueue::answered(const ClaimRequest& asked, Claim claim, Timestamp now) {
  --answers_due_;
  assert(answers_due_ >= 0);
  if (void_answers_ > 0) {
    --void_answers_;
    give_back_ = true;
  }
  const bool filled = static_cast<int>(claim.deliveries.size()) >= asked.limit;
  const bool only_answer = answers_due_ == 0;
  if (asked.what == Claimable::any) {
    backlog_ = filled;
    standing_ = claim.standing;
    none_may_stand_ = asked.standing > 0 && standing_ == 0 && !filled;
  }
  if (filled && manual_asked_) look_for_manual_ = true;
  // Of two answers the first brought every retry by hand, unless it was filled itself.
  if (!only_answer) manual_asked_ = false;
  next_due_ = claim.next_due;
  if (asked.what == Claimable::any && claim.deliveries.empty() && next_due_ && *next_due_ <= now) {
    next_due_ = now + kEmptyHanded;
  }
  for (ClaimedDelivery& delivery : claim.deliveries) {
    auto& hand = delivery.trigger == Trigger::automatic ? automatic_ : manual_;
    hand.push_back(std::move(delivery));
  }
}

void EndpointQueue::received(FreshClaim claim) {
  standing_ = std::max(0, standing_ - static_cast<int>(claim.deliveries.size()));
  if (claim.generation != endpoint_.generation) give_back_ = true;
  for (ClaimedDelivery& delivery : claim.deliveries) automatic_.push_back(std::move(delivery));
}

bool EndpointQueue::is_blocked(Monotonic now) {
  return in_flight_ >= endpoint_.max_in_flight || (rate_ && rate_->available(now) == 0);
}

std::vector<ClaimedDelivery> EndpointQueue::take_back(Moment now) {
  // More than it may send at once is worth claiming only while attempts begin and end quickly: what
  // nobody sends must not look as if it were in flight.
  const bool stalled = is_blocked(now.steady) && now.steady - moved_at_ >= kPrefetchPatience;
  if (stalled) prefetch_ = 0;
  if (std::exchange(give_back_, false) || stalled || !is_active() || is_shifting()) {
    return take_back_all();
  }
  std::vector<ClaimedDelivery> taken;
  const bool probe_under_way = circuit_is_open(health()) && probes_in_flight_ > 0;
  const bool out_of_turn = endpoint_.ordered && automatic_in_flight_ > 0;
  if (shut_until(now.wall) || probe_under_way || out_of_turn) move_all(automatic_, taken);
  for (const ClaimedDelivery& delivery : taken) expect_retry(delivery.due);
  return taken;
}

std::vector<ClaimedDelivery> EndpointQueue::take_back_all() {
  std::vector<ClaimedDelivery> taken;
  if (!manual_.empty()) look_for_manual_ = true;
  move_all(manual_, taken);
  move_all(automatic_, taken);
  for (const ClaimedDelivery& delivery : taken) expect_retry(delivery.due);
  return taken;
}

void EndpointQueue::expect_retry(Timestamp at) { retry_due_ = earliest(retry_due_, at); }

// ---- sending ----------------------------------------------------------------------------------

bool EndpointQueue::can_start(Moment now) {
  if (!is_active() || in_flight_ >= endpoint_.max_in_flight) return false;
  return !manual_.empty() || (!automatic_.empty() && may_start_automatic(now));
}

EndpointQueue::Start EndpointQueue::start_next(Moment now) {
  const bool manual = !manual_.empty();
  auto& hand = manual ? manual_ : automatic_;
  Start start{std::move(hand.front()), AttemptRole::ordinary};
  hand.pop_front();
  ++in_flight_;
  moved_at_ = now.steady;
  if (manual) return start;
  ++automatic_in_flight_;
  if (rate_) rate_->take(now.steady);
  if (circuit_is_open(health())) {
    start.role = AttemptRole::probe;
    ++probes_in_flight_;
  }
  return start;
}

void EndpointQueue::ended(Trigger trigger, AttemptRole role, const Outcome& outcome, Moment now) {
  --in_flight_;
  moved_at_ = now.steady;
  if (trigger == Trigger::automatic) --automatic_in_flight_;
  if (role == AttemptRole::probe) --probes_in_flight_;
  assert(in_flight_ >= 0 && automatic_in_flight_ >= 0 && probes_in_flight_ >= 0);
  const bool succeeded = !outcome.result.attempt.error;
  if (!succeeded) watch_failing(now.steady);
  endpoint_.health =
      succeeded ? after_success(health(), now.wall) : after_failure(health(), now.wall, role);
  prefetch_ = succeeded ? std::min(endpoint_.max_in_flight, prefetch_ + kPrefetchPerSuccess) : 0;
  if (outcome.hold) {
    const Timestamp until = std::min(outcome.hold->until, now.wall + kLongestHold);
    endpoint_.health.held_until = std::max(health().held_until.value_or(until), until);
    hold_reason_ = outcome.hold->reason;
  }
  if (outcome.result.attempt.next_attempt_at) expect_retry(*outcome.result.attempt.next_attempt_at);
  for (ClockShift& shift : shifts_) shift.except.push_back(outcome.result.delivery);
  // What stood behind it is no longer held by order.
  if (endpoint_.ordered) look_ = true;
}

void EndpointQueue::watch_failing(Monotonic now) {
  if (health().failing_since) {
    endpoint_.health.failing_for += std::chrono::round<milliseconds>(now - watched_at_);
  }
  watched_at_ = now;
}

std::optional<Timestamp> EndpointQueue::wake_at(Moment now) {
  if (!is_active() || is_shifting() || answers_due_ > 0) return std::nullopt;
  const bool holds_more = !automatic_.empty() || !manual_.empty();
  if (holds_more && is_blocked(now.steady)) {
    auto pause = std::chrono::ceil<milliseconds>(moved_at_ + kPrefetchPatience - now.steady);
    if (in_flight_ < endpoint_.max_in_flight) {
      pause = std::min(pause, rate_->until_next(now.steady));
    }
    return now.wall + std::max(pause, milliseconds{1});
  }
  const std::optional<Timestamp> at = automatic_.empty() ? due(now.wall) : now.wall;
  if (!at) return std::nullopt;
  Timestamp wake = std::max(*at, shut_until(now.wall).value_or(*at));
  if (rate_) wake = std::max(wake, now.wall + rate_->until_next(now.steady));
  if (wake <= now.wall) return std::nullopt;
  return wake;
}

}  // namespace webhookd
