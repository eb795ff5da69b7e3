#include "store/sqlite/subscriptions.h"

#include <algorithm>
#include <set>

#include "shared/event_pattern.h"
#include "store/sqlite/webhook_rows.h"

namespace webhookd {
namespace {

// Answers are few when types come from the catalogue; tenants may be many.
constexpr std::size_t kMostAnswers = 10'000;
constexpr std::size_t kMostAnswered = 1'000'000;  // pointers in all of them: 8 MB

constexpr const char* kAllSubscribers =
    "SELECT seq, id, status, tenant, partner, events, retry_schedule, ordered, generation,"
    " void_through, cancelling, kept_from FROM webhooks WHERE deleted_at IS NULL ORDER BY seq";
constexpr const char* kOneSubscriber =
    "SELECT seq, id, status, tenant, partner, events, retry_schedule, ordered, generation,"
    " void_through, cancelling, kept_from FROM webhooks WHERE seq = ?1 AND deleted_at IS NULL";

}  // namespace

Subscriber Subscriptions::read(const Query& row) const {
  Subscriber subscriber;
  subscriber.seq = row.integer(0);
  subscriber.id = WebhookId{row.text(1)};
  subscriber.status = static_cast<WebhookStatus>(row.small(2));
  subscriber.binding = {row.maybe_text(3), row.maybe_text(4)};
  subscriber.patterns = strings_from_text(row.text(5));
  const auto schedule = schedule_from_text(row.maybe_text(6));
  subscriber.max_attempts = schedule ? static_cast<int>(schedule->size()) + 1 : default_attempts_;
  subscriber.ordered = row.flag(7);
  subscriber.generation = row.integer(8);
  subscriber.void_through = row.flag(10) ? row.integer(9) : 0;
  subscriber.kept_from = row.integer(11);
  return subscriber;
}

void Subscriptions::refresh(Connection& db) {
  if (!stale_) return;
  by_seq_.clear();
  by_id_.clear();
  by_binding_.clear();
  forget_answers();
  Query rows = db.query(kAllSubscribers);
  while (rows.step()) insert(read(rows));
  stale_ = false;
}

void Subscriptions::reload(Connection& db, std::int64_t seq) {
  refresh(db);
  touched_ = true;
  forget_answers();
  erase(seq);
  Query row = db.query(kOneSubscriber, seq);
  if (row.step()) insert(read(row));
}

void Subscriptions::insert(Subscriber subscriber) {
  const std::int64_t seq = subscriber.seq;
  const Subscriber& kept = by_seq_.insert_or_assign(seq, std::move(subscriber)).first->second;
  by_id_[kept.id] = seq;
  by_binding_[{kept.binding.tenant_id, kept.binding.partner_id}].push_back(&kept);
}

void Subscriptions::erase(std::int64_t seq) {
  const auto found = by_seq_.find(seq);
  if (found == by_seq_.end()) return;
  const Subscriber& gone = found->second;
  const auto group = by_binding_.find({gone.binding.tenant_id, gone.binding.partner_id});
  std::erase(group->second, &gone);
  if (group->second.empty()) by_binding_.erase(group);
  by_id_.erase(gone.id);
  by_seq_.erase(found);
}

void Subscriptions::forget_answers() {
  answers_.clear();
  answered_ = 0;
}

const Subscriber* Subscriptions::find(const WebhookId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : find(found->second);
}

const Subscriber* Subscriptions::find(std::int64_t seq) const {
  const auto found = by_seq_.find(seq);
  return found == by_seq_.end() ? nullptr : &found->second;
}

const std::vector<const Subscriber*>& Subscriptions::matching(const Binding& binding,
                                                              const std::string& event_type) {
  const std::tuple<BindingKey, std::string> question{{binding.tenant_id, binding.partner_id},
                                                     event_type};
  const auto known = answers_.find(question);
  if (known != answers_.end()) return known->second;
  if (answers_.size() >= kMostAnswers || answered_ >= kMostAnswered) forget_answers();

  std::vector<const Subscriber*> wanted;
  const std::set<BindingKey> bindings{{binding.tenant_id, binding.partner_id},
                                      {binding.tenant_id, std::nullopt},
                                      {std::nullopt, binding.partner_id},
                                      {std::nullopt, std::nullopt}};
  for (const BindingKey& key : bindings) {
    const auto group = by_binding_.find(key);
    if (group == by_binding_.end()) continue;
    for (const Subscriber* subscriber : group->second) {
      const bool wants = std::ranges::any_of(subscriber->patterns, [&](const std::string& pattern) {
        return pattern_matches(pattern, event_type);
      });
      if (wants && subscriber->status != WebhookStatus::disabled) wanted.push_back(subscriber);
    }
  }
  std::ranges::sort(wanted, {}, &Subscriber::seq);
  answered_ += wanted.size();
  return answers_.emplace(question, std::move(wanted)).first->second;
}

}  // namespace webhookd
