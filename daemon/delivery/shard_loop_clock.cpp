// What a shard loop does when the wall clock is set.

#include <algorithm>
#include <cassert>
#include <utility>

#include "delivery/attempt_log.h"
#include "delivery/shard_loop.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kShiftsAtOnce = 256;
// After the clock was set back. What is published takes its time before it waits for the writer,
// and may be stored with it when what waited has been moved already.
constexpr milliseconds kFirstLook{1000};
constexpr milliseconds kLastLook{10'000};

}  // namespace

// Due times are wall-clock times: when the clock was set, every one of them means another moment. A
// machine that slept has set no clock: what became due meanwhile is due.
void ShardLoop::notice_clock_jump(Moment now) {
  const std::optional<Moment> last = std::exchange(last_seen_, now);
  if (!last) return;
  const auto slept = std::max(now.slept - last->slept, milliseconds{0});
  const auto jump = std::chrono::round<milliseconds>((now.wall - last->wall) -
                                                     (now.steady - last->steady) - slept);
  if (std::chrono::abs(jump) < kSmallestClockJump) return;
  log_clock_jump(jump);
  if (jump.count() < 0) looks_ = {now.steady + kFirstLook, now.steady + kLastLook};
  for (const auto& [id, place] : places_) {
    if (!place->queue.is_shifting()) shifting_.push_back(place.get());
    const EndpointHealth before = place->queue.endpoint().health;
    place->queue.clock_was_set(jump, now.wall);
    if (place->queue.endpoint().health != before) mark_unwell(*place);
    touch(*place, now);
  }
}

void ShardLoop::look_for_stamped_ahead(Moment now) {
  if (looks_.empty() || now.steady < looks_.front()) return;
  looks_.pop_front();
  for (const auto& [id, place] : places_) {
    if (!place->queue.is_shifting()) shifting_.push_back(place.get());
    place->queue.look_for_stamped_ahead(now.wall);
    touch(*place, now);
  }
}

// A few at a time: publishing and results of others come in between.
void ShardLoop::ask_for_shifts() {
  if (shifts_due_) return;
  for (Place* const place : shifting_) {
    if (turn_.shifts.size() == kShiftsAtOnce) break;
    const ClockShift* const shift = place->queue.next_shift();
    if (shift == nullptr) continue;
    turn_.shifts.push_back(*shift);
    place->is_moved_now = shift->what == Shifted::all_that_wait && place->queue.moves_left() == 1;
  }
  shifts_due_ = !turn_.shifts.empty();
}

// A health's times tell the next process by which clock those of the deliveries are: the store
// moves both in one transaction, and takes the health only with the last piece of a shift.
void ShardLoop::tell_health() {
  std::erase_if(unwell_, [this](Place* place) {
    if (place->queue.moves_left() > 0 && !place->is_moved_now) return false;
    place->is_unwell = false;
    const Endpoint& endpoint = place->queue.endpoint();
    turn_.health.push_back({endpoint.id, endpoint.health, endpoint.kept_from});
    return true;
  });
  for (Place* const place : shifting_) place->is_moved_now = false;
}

void ShardLoop::take_shifts(const TurnAnswer& answer, Moment now) {
  if (answer.shifts.empty()) return;
  assert(answer.shifts.size() == answer.given.shifted.size());
  shifts_due_ = false;
  std::vector<Place*> moved;
  for (std::size_t i = 0; i < answer.shifts.size(); ++i) {
    const auto found = places_.find(answer.shifts[i].webhook);
    if (found == places_.end()) continue;
    const ClockShiftPiece& piece = answer.given.shifted[i];
    found->second->queue.shifted(piece);
    // What came with it of the health was not stored.
    const bool is_half_way = !piece.done && answer.shifts[i].what == Shifted::all_that_wait;
    if (is_half_way) mark_unwell(*found->second);
    moved.push_back(found->second.get());
  }
  std::erase_if(shifting_, [](const Place* place) { return !place->queue.is_shifting(); });
  for (Place* const place : moved) touch(*place, now);
}

}  // namespace webhookd
