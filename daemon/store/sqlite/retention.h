#pragma once

// What is old enough to go. It is looked for by walking up the ids on a connection that reads, so
// that no index has to be kept up with every publication, and goes in pieces of the writer's time
// that nobody notices.

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "store/retention.h"
#include "store/sqlite/readers.h"
#include "store/sqlite/writer.h"

namespace webhookd {

// A stretch of such a walk.
struct Stretch {
  std::vector<std::int64_t> found;  // may go now
  std::int64_t reached = 0;         // the last id that was looked at
  bool at_end = false;              // the next one is too young, or there is none
};
Stretch find_ended(Connection& db, std::int64_t after, const Retention& kept, Timestamp now);
// Events without a delivery.
Stretch find_unused_events(Connection& db, std::int64_t after, const Retention& kept,
                           Timestamp now);
Stretch find_old_audit(Connection& db, std::int64_t after, const Retention& kept, Timestamp now);

// These remove what may still go: since it was found a delivery may have been retried, and an event
// replayed.
void remove_ended(Transaction& transaction, const std::vector<std::int64_t>& ids,
                  const Retention& kept, Timestamp now);
void remove_unused_events(Connection& db, const std::vector<std::int64_t>& seqs,
                          const Retention& kept, Timestamp now);
void remove_old_audit(Connection& db, const std::vector<std::int64_t>& ids, const Retention& kept,
                      Timestamp now);

// With its attempts; with its event, too, when that has no other one and was made for it alone or
// was accepted up to `events_until`.
void remove_delivery(Connection& db, std::int64_t id, Timestamp events_until);

// A webhook that has been paused for so long that deliveries of it expire now; its seq.
std::optional<std::int64_t> find_overdue(Connection& db, const Retention& kept, Timestamp now);
// Cancels some of them; the webhook's id goes to `changed` when there were any.
void expire_overdue(Transaction& transaction, std::int64_t seq, const Retention& kept,
                    Timestamp now, std::vector<WebhookId>& changed);

// Goes through all of this again and again, a piece a call. Thread-safe.
class Sweep {
 public:
  explicit Sweep(const Retention& kept);

  const Retention& kept() const { return kept_; }

  // Says whether to come again at once. Webhooks that have lost deliveries go to `changed`. Throws
  // StoreError; the next call then tries the same piece again.
  MoreWork go_on(Readers& readers, Writer& writer, Timestamp now, std::vector<WebhookId>& changed);

 private:
  enum class Step { rest, overdue, deliveries, events, audit };

  bool is_due(Timestamp now) const;
  void begin(Timestamp now);
  // Each says whether its step is done.
  bool expire(Readers& readers, Writer& writer, Timestamp now, std::vector<WebhookId>& changed);
  template <typename Find, typename Remove>
  bool remove(Readers& readers, Writer& writer, std::int64_t& reached, Find find, Remove remove);
  bool take_step(Readers& readers, Writer& writer, Timestamp now, std::vector<WebhookId>& changed);

  const Retention kept_;
  const std::chrono::milliseconds rest_;       // from the start of one sweep to that of the next
  const std::chrono::milliseconds from_zero_;  // between those that look at every old delivery

  std::mutex mutex_;
  // Guarded by mutex_.
  Step step_ = Step::rest;
  std::optional<Timestamp> began_at_;
  std::optional<Timestamp> began_from_zero_at_;
  // Ids up to here have been looked at: only old deliveries that stayed are to be looked at again.
  std::int64_t deliveries_reached_ = 0;
  std::int64_t events_reached_ = 0;
  std::int64_t audit_reached_ = 0;
};

}  // namespace webhookd
