#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "store/sqlite/subscriptions.h"
#include "store/store.h"

namespace webhookd {

// The places that claims have left standing, and the new deliveries that have taken some of them.
// In memory alone: after a start no loop has a claim that stands. For the writer's thread, and
// always as its transaction sees it: what is undone there is undone here.
class StandingClaims {
 public:
  // Replaces what stood. 0: nothing stands any more.
  void set(const Subscriber& subscriber, int places);
  // Takes a place; false when none stands that was left for the webhook as it is now.
  bool take(const Subscriber& subscriber);
  // One that has taken a place.
  void hand_over(const Subscriber& subscriber, ClaimedDelivery delivery);

  void begin_request();
  void undo_request();
  void undo_group();
  // What has been handed over since the last commit, of each webhook in order.
  std::vector<FreshClaim> commit();

 private:
  struct Places {
    int free = 0;
    std::int64_t generation = 0;
  };
  struct Change {
    std::int64_t seq = 0;
    std::optional<Places> before;
  };
  struct Handed {
    WebhookId webhook;
    std::int64_t generation = 0;
    ClaimedDelivery delivery;
  };

  void put(std::int64_t seq, std::optional<Places> places);
  void undo_to(std::size_t changes, std::size_t handed);

  std::unordered_map<std::int64_t, Places> by_seq_;
  // Since the last commit, and how many there were when the request began.
  std::vector<Change> changes_;
  std::vector<Handed> handed_;
  std::size_t changes_before_ = 0;
  std::size_t handed_before_ = 0;
};

}  // namespace webhookd
