#include "store/sqlite/standing_claims.h"

#include <utility>

namespace webhookd {

void StandingClaims::put(std::int64_t seq, std::optional<Places> places) {
  const auto found = by_seq_.find(seq);
  const bool is_known = found != by_seq_.end();
  if (!is_known && !places) return;
  changes_.push_back({seq, is_known ? std::optional(found->second) : std::nullopt});
  if (places) {
    by_seq_.insert_or_assign(seq, *places);
  } else {
    by_seq_.erase(found);
  }
}

void StandingClaims::set(const Subscriber& subscriber, int places) {
  if (places > 0) {
    put(subscriber.seq, Places{places, subscriber.generation});
  } else {
    put(subscriber.seq, std::nullopt);
  }
}

bool StandingClaims::take(const Subscriber& subscriber) {
  if (subscriber.status != WebhookStatus::active || subscriber.ordered) return false;
  const auto found = by_seq_.find(subscriber.seq);
  if (found == by_seq_.end()) return false;
  const Places places = found->second;
  if (places.generation != subscriber.generation) return false;
  set(subscriber, places.free - 1);
  return true;
}

void StandingClaims::hand_over(const Subscriber& subscriber, ClaimedDelivery delivery) {
  handed_.push_back({subscriber.id, subscriber.generation, std::move(delivery)});
}

void StandingClaims::begin_request() {
  changes_before_ = changes_.size();
  handed_before_ = handed_.size();
}

void StandingClaims::undo_request() { undo_to(changes_before_, handed_before_); }

void StandingClaims::undo_group() { undo_to(0, 0); }

void StandingClaims::undo_to(std::size_t changes, std::size_t handed) {
  while (changes_.size() > changes) {
    const Change& change = changes_.back();
    if (change.before) {
      by_seq_.insert_or_assign(change.seq, *change.before);
    } else {
      by_seq_.erase(change.seq);
    }
    changes_.pop_back();
  }
  handed_.erase(handed_.begin() + static_cast<std::ptrdiff_t>(handed), handed_.end());
}

std::vector<FreshClaim> StandingClaims::commit() {
  std::vector<FreshClaim> claims;
  std::unordered_map<WebhookId, std::size_t> places;
  for (Handed& handed : handed_) {
    const auto [place, is_new] = places.emplace(handed.webhook, claims.size());
    if (is_new || claims[place->second].generation != handed.generation) {
      place->second = claims.size();
      claims.push_back({handed.webhook, handed.generation, {}});
    }
    claims[place->second].deliveries.push_back(std::move(handed.delivery));
  }
  changes_.clear();
  handed_.clear();
  return claims;
}

}  // namespace webhookd
