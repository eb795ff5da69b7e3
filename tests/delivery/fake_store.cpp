#include "delivery/fake_store.h"

#include <algorithm>
#include <stdexcept>

namespace webhookd {
namespace {

[[noreturn]] void not_needed() { throw std::logic_error("delivery does not ask for this"); }

}  // namespace

Endpoint make_endpoint(char name, const std::string& url) {
  Endpoint endpoint;
  endpoint.id = {"whk_" + std::string(16, name)};
  endpoint.shard = shard_of(endpoint.id);
  endpoint.url = url;
  endpoint.secret = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  return endpoint;
}

void FakeStore::put(Endpoint endpoint) {
  const std::lock_guard lock(mutex_);
  const WebhookId id = endpoint.id;
  endpoints_.insert_or_assign(id, std::move(endpoint));
}

void FakeStore::remove(const WebhookId& webhook) {
  const std::lock_guard lock(mutex_);
  endpoints_.erase(webhook);
  std::erase_if(rows_, [&](const auto& entry) { return entry.second.webhook == webhook; });
}

void FakeStore::change(const WebhookId& webhook, const std::function<void(Endpoint&)>& how) {
  const std::lock_guard lock(mutex_);
  how(endpoints_.at(webhook));
}

DeliveryId FakeStore::publish(const WebhookId& webhook, Timestamp now, std::string body) {
  const std::lock_guard lock(mutex_);
  const DeliveryId id = insert(webhook, now, std::move(body));
  const Endpoint& endpoint = endpoints_.at(webhook);
  if (endpoint.status == WebhookStatus::active && standing_[webhook] > 0) {
    --standing_[webhook];
    taker_({FreshClaim{webhook, endpoint.generation, {take(rows_.at(id.value))}}});
  }
  return id;
}

int FakeStore::standing(const WebhookId& webhook) const {
  const std::lock_guard lock(mutex_);
  const auto found = standing_.find(webhook);
  return found == standing_.end() ? 0 : found->second;
}

void FakeStore::hand_fresh_claims_to(FreshClaims taker) {
  const std::lock_guard lock(mutex_);
  taker_ = std::move(taker);
}

DeliveryId FakeStore::insert(const WebhookId& webhook, Timestamp now, std::string body) {
  Row row;
  row.id = {++last_id_};
  row.webhook = webhook;
  row.event_id = "evt_" + std::to_string(last_id_);
  row.body = std::move(body);
  row.due = now;
  rows_.emplace(last_id_, row);
  return row.id;
}

void FakeStore::retry_by_hand(DeliveryId id, Timestamp now) {
  const std::lock_guard lock(mutex_);
  Row& row = rows_.at(id.value);
  row.status = DeliveryStatus::pending;
  row.next_trigger = Trigger::manual;
  row.due = now;
}

FakeStore::Row FakeStore::row(DeliveryId id) const {
  const std::lock_guard lock(mutex_);
  return rows_.at(id.value);
}

std::vector<FakeStore::Row> FakeStore::rows() const {
  const std::lock_guard lock(mutex_);
  std::vector<Row> rows;
  for (const auto& [id, row] : rows_) rows.push_back(row);
  return rows;
}

int FakeStore::count(DeliveryStatus status) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(rows_.begin(), rows_.end(), [&](const auto& entry) {
    return entry.second.status == status;
  }));
}

Endpoint FakeStore::stored(const WebhookId& webhook) const {
  const std::lock_guard lock(mutex_);
  return endpoints_.at(webhook);
}

std::vector<ClaimRequest> FakeStore::claims() const {
  const std::lock_guard lock(mutex_);
  return claims_;
}

std::vector<Disabling> FakeStore::disablings() const {
  const std::lock_guard lock(mutex_);
  return disablings_;
}

std::vector<Recovery> FakeStore::recoveries() const {
  const std::lock_guard lock(mutex_);
  return recoveries_;
}

void FakeStore::tell_of_disablings(const WebhookId& webhook) {
  const std::lock_guard lock(mutex_);
  tell_ = webhook;
}

std::vector<ClockShift> FakeStore::shifts() const {
  const std::lock_guard lock(mutex_);
  return shifts_;
}

void FakeStore::shift_at_once(std::size_t rows) {
  const std::lock_guard lock(mutex_);
  shifted_at_once_ = rows;
}

int FakeStore::turns() const {
  const std::lock_guard lock(mutex_);
  return turns_;
}

void FakeStore::fail_reads_with(std::optional<StoreError::Kind> kind) {
  const std::lock_guard lock(mutex_);
  read_failure_ = kind;
}

void FakeStore::fail_with(std::optional<StoreError::Kind> kind) {
  const std::lock_guard lock(mutex_);
  failure_ = kind;
}

void FakeStore::take_at_most(std::size_t results) {
  const std::lock_guard lock(mutex_);
  most_results_ = results;
}

std::optional<ClaimedDelivery> FakeStore::begin_test(const WebhookId& webhook,
                                                     const NewEvent& event,
                                                     const ChangeContext& context) {
  const std::lock_guard lock(mutex_);
  if (!endpoints_.contains(webhook)) return std::nullopt;
  Row row;
  row.id = {++last_id_};
  row.webhook = webhook;
  row.event_id = event.event_id;
  row.body = event.body;
  row.due = context.now;
  row.status = DeliveryStatus::in_flight;
  row.max_attempts = 1;
  rows_.emplace(last_id_, row);
  return ClaimedDelivery{row.id, row.event_id,  event.event_type, 1,
                         1,      Trigger::test, row.due,          row.body};
}

std::vector<Endpoint> FakeStore::endpoints(std::span<const int> shards) {
  const std::lock_guard lock(mutex_);
  std::vector<Endpoint> found;
  for (const auto& [id, endpoint] : endpoints_) {
    if (std::find(shards.begin(), shards.end(), endpoint.shard) == shards.end()) continue;
    found.push_back(endpoint);
    found.back().next_due = next_due(id);
  }
  return found;
}

std::optional<Endpoint> FakeStore::endpoint(const WebhookId& id) {
  const std::lock_guard lock(mutex_);
  if (read_failure_) throw StoreError(*read_failure_, "as the test wants");
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return std::nullopt;
  Endpoint endpoint = found->second;
  endpoint.next_due = next_due(id);
  return endpoint;
}

QueueTurnResult FakeStore::queue_turn(const QueueTurn& turn, Timestamp now) {
  const std::lock_guard lock(mutex_);
  ++turns_;
  if (failure_) throw StoreError(*failure_, "as the test wants");
  if (most_results_ && turn.results.size() > *most_results_) {
    throw StoreError(StoreError::Kind::full, "as the test wants");
  }
  for (const AttemptResult& result : turn.results) {
    const auto found = rows_.find(result.delivery.value);
    if (found == rows_.end()) continue;
    Row& row = found->second;
    row.status = result.status;
    row.next_trigger = Trigger::automatic;
    row.due = result.attempt.next_attempt_at.value_or(now);
    row.attempts.push_back(result.attempt);
  }
  for (const DeliveryId id : turn.released) rows_.at(id.value).status = DeliveryStatus::pending;
  QueueTurnResult result;
  for (const ClockShift& asked : turn.shifts) result.shifted.push_back(shift(asked));
  for (const HealthUpdate& update : turn.health) {
    const auto found = endpoints_.find(update.webhook);
    if (found == endpoints_.end() || found->second.unfinished_shift) continue;
    found->second.health = update.health;
  }
  recoveries_.insert(recoveries_.end(), turn.recovered.begin(), turn.recovered.end());
  disablings_.insert(disablings_.end(), turn.disable.begin(), turn.disable.end());
  for (const Disabling& disabling : turn.disable) {
    Endpoint& endpoint = endpoints_.at(disabling.webhook);
    endpoint.status = WebhookStatus::disabled;
    endpoint.kept_from = ++endpoint.generation;
    for (auto& [id, row] : rows_) {
      const bool waits = row.status == DeliveryStatus::pending;
      if (waits && row.webhook == disabling.webhook) row.status = DeliveryStatus::cancelled;
    }
  }
  for (const ClaimRequest& request : turn.claims) result.claims.push_back(claim(request, now));
  for (const WebhookId& webhook : turn.withdrawn) standing_[webhook] = 0;
  if (tell_ && !turn.disable.empty()) {
    insert(*tell_, now, "{}");
    result.woken.push_back(*tell_);
  }
  return result;
}

bool FakeStore::is_held_by_order(const Row& row) const {
  if (!endpoints_.at(row.webhook).ordered || row.next_trigger == Trigger::manual) return false;
  return std::any_of(rows_.begin(), rows_.end(), [&](const auto& entry) {
    const Row& other = entry.second;
    const bool open =
        other.status == DeliveryStatus::pending || other.status == DeliveryStatus::in_flight;
    return other.webhook == row.webhook && other.id < row.id && open;
  });
}

bool FakeStore::may_claim(const Row& row, const ClaimRequest& request, Timestamp now) const {
  if (row.webhook != request.webhook || row.status != DeliveryStatus::pending) return false;
  const Timestamp due_by = std::min(now, request.due_by.value_or(now));
  if (row.due > due_by || is_held_by_order(row)) return false;
  return request.what == Claimable::any || row.next_trigger == Trigger::manual;
}

std::optional<Timestamp> FakeStore::next_due(const WebhookId& webhook) const {
  std::optional<Timestamp> earliest;
  for (const auto& [id, row] : rows_) {
    if (row.webhook != webhook || row.status != DeliveryStatus::pending) continue;
    if (!is_held_by_order(row)) earliest = std::min(earliest.value_or(row.due), row.due);
  }
  return earliest;
}

Claim FakeStore::claim(const ClaimRequest& request, Timestamp now) {
  claims_.push_back(request);
  Claim claim{request.webhook, {}, std::nullopt};
  const auto found = endpoints_.find(request.webhook);
  if (found == endpoints_.end() || found->second.status != WebhookStatus::active) return claim;
  std::vector<Row*> due;
  for (auto& [id, row] : rows_) {
    if (may_claim(row, request, now)) due.push_back(&row);
  }
  std::stable_sort(due.begin(), due.end(),
                   [](const Row* left, const Row* right) { return left->due < right->due; });
  if (due.size() > static_cast<std::size_t>(request.limit)) {
    due.resize(static_cast<std::size_t>(request.limit));
  }
  for (Row* const row : due) claim.deliveries.push_back(take(*row));
  claim.next_due = next_due(request.webhook);
  if (request.what == Claimable::any) {
    const bool is_free = taker_ && !(claim.next_due && *claim.next_due <= now);
    const int left = request.limit - static_cast<int>(claim.deliveries.size());
    standing_[request.webhook] = claim.standing = is_free ? std::min(request.standing, left) : 0;
  }
  return claim;
}

ClaimedDelivery FakeStore::take(Row& row) {
  row.status = DeliveryStatus::in_flight;
  return {
      row.id,           row.event_id,     "user.created", static_cast<int>(row.attempts.size()) + 1,
      row.max_attempts, row.next_trigger, row.due,        row.body};
}

ClockShiftPiece FakeStore::shift(const ClockShift& shift) {
  shifts_.push_back(shift);
  const bool forward = shift.by.count() > 0;
  const auto place = [](const Row* row) { return std::pair(row->due, row->id); };
  const auto before = [&](const auto& left, const auto& right) {
    return forward ? left > right : left < right;
  };
  std::vector<Row*> found;
  for (auto& [id, row] : rows_) {
    if (row.webhook != shift.webhook || row.status != DeliveryStatus::pending) continue;
    if (row.due <= shift.after) continue;
    const bool is_left =
        !shift.reached || before(std::pair(shift.reached->due, shift.reached->id), place(&row));
    if (is_left) found.push_back(&row);
  }
  std::ranges::sort(found, before, place);
  ClockShiftPiece piece{found.size() <= shifted_at_once_, shift.reached};
  if (!piece.done) found.resize(shifted_at_once_);
  for (Row* const row : found) {
    piece.reached = DuePlace{row->due, row->id};
    const bool at_once = row->attempts.empty() || row->next_trigger == Trigger::manual;
    const bool excepted = std::ranges::find(shift.except, row->id) != shift.except.end();
    if (shift.what == Shifted::stamped_ahead) {
      if (at_once) row->due = shift.after;
    } else if (!excepted && !(forward && at_once)) {
      row->due += shift.by;
    }
  }
  const auto endpoint = endpoints_.find(shift.webhook);
  if (endpoint != endpoints_.end() && shift.what == Shifted::all_that_wait) {
    auto& unfinished = endpoint->second.unfinished_shift;
    unfinished.reset();
    if (!piece.done) unfinished = {shift.webhook, shift.by, shift.after, {}, piece.reached};
  }
  return piece;
}

std::variant<Webhook, WebhookFault> FakeStore::create_webhook(const NewWebhook&,
                                                              const ChangeContext&) {
  not_needed();
}
std::optional<Webhook> FakeStore::find_webhook(const WebhookId&) { not_needed(); }
WebhookPage FakeStore::list_webhooks(const WebhookFilter&, const PageRequest&) { not_needed(); }
std::variant<Webhook, WebhookFault> FakeStore::update_webhook(
    const WebhookId&, const std::function<void(WebhookSettings&)>&, const ChangeContext&) {
  not_needed();
}
bool FakeStore::delete_webhook(const WebhookId&, const ChangeContext&) { not_needed(); }
std::optional<Timestamp> FakeStore::rotate_secret(const WebhookId&, const Secret&,
                                                  std::chrono::seconds, const ChangeContext&) {
  not_needed();
}
std::vector<EventType> FakeStore::event_types() { not_needed(); }
bool FakeStore::add_event_type(const EventType&, const ChangeContext&) { not_needed(); }
bool FakeStore::remove_event_type(std::string_view, const ChangeContext&) { not_needed(); }
PublishResult FakeStore::publish(std::span<const NewEvent>, Timestamp) { not_needed(); }
void FakeStore::publish_later(NewEvent, Timestamp, Published) { not_needed(); }
std::vector<Event> FakeStore::find_events(std::string_view) { not_needed(); }
std::vector<Delivery> FakeStore::deliveries_of(const Event&) { not_needed(); }
DeliveryPage FakeStore::list_deliveries(const DeliveryFilter&, const PageRequest&) { not_needed(); }
std::optional<Delivery> FakeStore::find_delivery(DeliveryId) { not_needed(); }
AttemptPage FakeStore::attempts_after(AttemptId, int) { not_needed(); }
AttemptId FakeStore::newest_attempt() { not_needed(); }
AttemptId FakeStore::attempt_before(Timestamp) { not_needed(); }
std::optional<DeliveryDetail> FakeStore::delivery_detail(DeliveryId) { not_needed(); }
RetryOutcome FakeStore::retry_delivery(const WebhookId&, DeliveryId, RetrySucceeded,
                                       const ChangeContext&) {
  not_needed();
}
CancelOutcome FakeStore::cancel_delivery(const WebhookId&, DeliveryId, const ChangeContext&) {
  not_needed();
}
BatchResult FakeStore::change_deliveries(const DeliveryBatch&, const BatchSum&,
                                         const ChangeContext&) {
  not_needed();
}
ReplayResult FakeStore::replay_events(const ReplayBatch&, const BatchSum&, const ChangeContext&) {
  not_needed();
}
std::optional<Stats> FakeStore::stats(const WebhookId&, std::chrono::hours, Timestamp) {
  not_needed();
}
StoreStatus FakeStore::status() { not_needed(); }
void FakeStore::check_writable(Timestamp) { not_needed(); }
bool FakeStore::has_room() { not_needed(); }
MoreWork FakeStore::do_housekeeping(Timestamp, std::vector<WebhookId>&) { not_needed(); }
std::vector<AuditEntry> FakeStore::audit(std::optional<std::int64_t>, int) { not_needed(); }
void FakeStore::add_audit(std::string_view, const std::string&, const ChangeContext&) {
  not_needed();
}

}  // namespace webhookd
