#include "delivery/turn.h"

#include <iterator>
#include <unordered_map>
#include <utility>

namespace webhookd {
namespace {

template <typename T>
void append(std::vector<T>& to, std::vector<T>& from) {
  if (to.empty()) {
    to = std::move(from);
    return;
  }
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

// The latest of each webhook.
void append_health(std::vector<HealthUpdate>& to, std::vector<HealthUpdate>& from) {
  std::unordered_map<WebhookId, std::size_t> places;
  for (std::size_t i = 0; i < to.size(); ++i) places.emplace(to[i].webhook, i);
  for (HealthUpdate& update : from) {
    const auto [place, is_new] = places.emplace(update.webhook, to.size());
    if (is_new) {
      to.push_back(std::move(update));
    } else {
      to[place->second] = std::move(update);
    }
  }
}

// A shift is made after all results of its turn, also after those that came later than the shift
// was asked for: their times are of the new clock already.
void except_results(std::vector<ClockShift>& shifts, const std::vector<AttemptResult>& later) {
  for (ClockShift& shift : shifts) {
    for (const AttemptResult& result : later) {
      if (result.webhook == shift.webhook) shift.except.push_back(result.delivery);
    }
  }
}

}  // namespace

void merge(QueueTurn& turn, QueueTurn later) {
  except_results(turn.shifts, later.results);
  append(turn.results, later.results);
  append_health(turn.health, later.health);
  append(turn.disable, later.disable);
  append(turn.recovered, later.recovered);
  append(turn.released, later.released);
  append(turn.shifts, later.shifts);
  append(turn.claims, later.claims);
  append(turn.withdrawn, later.withdrawn);
}

}  // namespace webhookd
