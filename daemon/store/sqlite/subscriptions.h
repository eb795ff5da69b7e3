#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/model.h"
#include "store/sqlite/connection.h"

namespace webhookd {

// What the writer needs to know of a webhook for each event, claim and result.
struct Subscriber {
  std::int64_t seq = 0;
  WebhookId id;
  WebhookStatus status = WebhookStatus::active;
  Binding binding;
  std::vector<std::string> patterns;
  int max_attempts = 1;
  bool ordered = false;
  std::int64_t generation = 0;    // pending deliveries of an older one are stale
  std::int64_t kept_from = 0;     // those of a generation before this one are void
  std::int64_t void_through = 0;  // only ids up to here may be stale; 0: none is left
};

// The webhooks that are not deleted, as the writer's transaction sees them: found by id, and by the
// events that they want. Holds nothing that the database does not hold. For the writer's thread.
class Subscriptions {
 public:
  // `default_attempts`: for webhooks without a schedule of their own.
  explicit Subscriptions(int default_attempts) : default_attempts_(default_attempts) {}

  // Reads everything again when a rollback has made it stale.
  void refresh(Connection& db);
  // Takes over a row that this transaction has changed, made or deleted.
  void reload(Connection& db, std::int64_t seq);
  // Changes since the last commit may be undone: what was taken over is read again when needed.
  void rolled_back() { stale_ = stale_ || touched_; }
  void committed() { touched_ = false; }

  const Subscriber* find(const WebhookId& id) const;
  const Subscriber* find(std::int64_t seq) const;
  // Those that are not disabled and want the event. Valid until the next change.
  const std::vector<const Subscriber*>& matching(const Binding& binding,
                                                 const std::string& event_type);
  // How many pointers the answers that it has kept hold.
  std::size_t answered() const { return answered_; }

 private:
  using BindingKey = std::pair<std::optional<std::string>, std::optional<std::string>>;

  void insert(Subscriber subscriber);
  void forget_answers();
  void erase(std::int64_t seq);
  Subscriber read(const Query& row) const;

  int default_attempts_;
  bool stale_ = true;
  bool touched_ = false;
  std::unordered_map<std::int64_t, Subscriber> by_seq_;
  std::unordered_map<WebhookId, std::int64_t> by_id_;
  // An event looks at four bindings at most: each of its ids set or not.
  std::map<BindingKey, std::vector<const Subscriber*>> by_binding_;
  std::map<std::tuple<BindingKey, std::string>, std::vector<const Subscriber*>> answers_;
  std::size_t answered_ = 0;
};

}  // namespace webhookd
