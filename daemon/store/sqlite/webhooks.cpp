#include "store/sqlite/webhooks.h"

#include <algorithm>

#include "shared/event_pattern.h"
#include "store/sqlite/audit.h"
#include "store/sqlite/kept_numbers.h"
#include "store/sqlite/queue.h"
#include "store/sqlite/webhook_rows.h"

namespace webhookd {
namespace {

// `self`: the webhook that may have the name, 0 for a new one.
bool name_taken(Connection& db, const WebhookSettings& settings, std::int64_t self) {
  const Binding& binding = settings.binding;
  Query row = db.query(
      "SELECT 1 FROM webhooks INDEXED BY webhooks_name WHERE name = ?1"
      " AND ifnull(tenant, '') = ?2 AND (tenant IS NULL) = ?3"
      " AND ifnull(partner, '') = ?4 AND (partner IS NULL) = ?5"
      " AND deleted_at IS NULL AND seq <> ?6",
      settings.name, binding.tenant_id.value_or(""), binding.tenant_id ? 0 : 1,
      binding.partner_id.value_or(""), binding.partner_id ? 0 : 1, self);
  return row.step();
}

Webhook with_queue(Connection& db, const KeptNumbers& numbers, StoredWebhook stored) {
  stored.webhook.backlog = numbers.backlog(stored.key.seq);
  if (stored.key.ordered) {
    const auto head = shown_head(db, stored.key);
    if (head) stored.webhook.head_delivery_id = head->id;
  }
  return std::move(stored.webhook);
}

// As this transaction will leave it; its own changes of numbers are not written yet.
Webhook after_change(Transaction& transaction, const WebhookId& id) {
  auto stored = load_webhook(transaction.db, transaction.sealer, id);
  if (!stored) throw std::logic_error("store: a changed webhook is gone");
  const std::int64_t seq = stored->key.seq;
  Webhook webhook = with_queue(transaction.db, KeptNumbers(transaction.db), std::move(*stored));
  webhook.backlog += transaction.tally.backlog_change(seq);
  webhook.backlog += transaction.group_tally.backlog_change(seq);
  return webhook;
}

void enable(Transaction& transaction, const StoredWebhook& stored) {
  transaction.db.run(
      "UPDATE webhooks SET disabled_reason = NULL, disabled_at = NULL WHERE seq = ?1",
      stored.key.seq);
  EndpointHealth health;
  health.last_success_at = stored.webhook.health.last_success_at;
  health.last_failure_at = stored.webhook.health.last_failure_at;
  store_health(transaction.db, stored.key.seq, health);
}

bool is_disabled(const WebhookSettings& settings) {
  return settings.status == WebhookStatus::disabled;
}

void apply_change(Transaction& transaction, const StoredWebhook& stored,
                  const WebhookSettings& settings, Timestamp now) {
  const WebhookSettings& before = stored.webhook.settings;
  update_settings(transaction.db, transaction.sealer, stored.webhook.id, stored.key.seq, settings,
                  now);
  if (is_disabled(settings) && !is_disabled(before)) {
    disable_webhook(transaction, stored.key.seq, std::nullopt, now);
  }
  if (!is_disabled(settings) && is_disabled(before)) enable(transaction, stored);
  if (settings.binding != before.binding) {
    rebind_queue(transaction, stored.key.seq, now);
  }
  transaction.subscriptions.reload(transaction.db, stored.key.seq);
}

std::string folded(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool subscribes(const std::string& patterns, const std::string& event_type) {
  return std::ranges::any_of(strings_from_text(patterns), [&](const std::string& pattern) {
    return pattern_matches(pattern, event_type);
  });
}

bool any_contains(const Query& row, int first, int last, const std::string& needle) {
  for (int column = first; column <= last; ++column) {
    if (folded(row.text(column)).find(needle) != std::string::npos) return true;
  }
  return false;
}

std::vector<std::int64_t> find_matching(Connection& db, const WebhookFilter& filter) {
  std::optional<int> status;
  if (filter.status) status = static_cast<int>(*filter.status);
  const std::string needle = folded(filter.text.value_or(""));
  std::vector<std::int64_t> found;
  Query rows = db.query(
      "SELECT seq, events, id, name, url, description FROM webhooks WHERE deleted_at IS NULL"
      " AND (?1 IS NULL OR ifnull(tenant, '') = ?1) AND (?2 IS NULL OR ifnull(partner, '') = ?2)"
      " AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR name = ?4) ORDER BY seq",
      filter.tenant_id, filter.partner_id, status, filter.name);
  while (rows.step()) {
    if (filter.event_type && !subscribes(rows.text(1), *filter.event_type)) continue;
    if (filter.text && !any_contains(rows, 2, 5, needle)) continue;
    found.push_back(rows.integer(0));
  }
  return found;
}

}  // namespace

std::variant<Webhook, WebhookFault> create_webhook(Transaction& transaction,
                                                   const NewWebhook& webhook,
                                                   const ChangeContext& context) {
  if (name_taken(transaction.db, webhook.settings, 0)) return WebhookFault::name_taken;
  const std::int64_t seq =
      insert_webhook(transaction.db, transaction.sealer,
                     {webhook.id, webhook.settings, webhook.secret, context.now});
  transaction.subscriptions.reload(transaction.db, seq);
  write_audit(transaction.db, context, "webhook.create", webhook.id,
              settings_detail(webhook.settings));
  return after_change(transaction, webhook.id);
}

std::variant<Webhook, WebhookFault> update_webhook(
    Transaction& transaction, const WebhookId& id,
    const std::function<void(WebhookSettings&)>& change, const ChangeContext& context) {
  const auto stored = load_webhook(transaction.db, transaction.sealer, id);
  if (!stored) return WebhookFault::not_found;
  WebhookSettings settings = stored->webhook.settings;
  change(settings);
  if (settings != stored->webhook.settings) {
    if (name_taken(transaction.db, settings, stored->key.seq)) return WebhookFault::name_taken;
    apply_change(transaction, *stored, settings, context.now);
    write_audit(transaction.db, context, "webhook.update", id,
                difference_detail(stored->webhook.settings, settings));
  }
  return after_change(transaction, id);
}

bool delete_webhook(Transaction& transaction, const WebhookId& id, const ChangeContext& context) {
  const Subscriber* found = transaction.subscriptions.find(id);
  if (found == nullptr) return false;
  const std::int64_t seq = found->seq;
  transaction.standing.set(*found, 0);
  // What must not outlive it goes now; the rest is only history.
  transaction.db.run("DELETE FROM secrets WHERE webhook_seq = ?1", seq);
  transaction.db.run(
      "UPDATE webhooks SET deleted_at = ?2, headers = x'', secret_hint = '',"
      " secret_fingerprint = '', expires_at = NULL WHERE seq = ?1",
      seq, context.now);
  transaction.subscriptions.reload(transaction.db, seq);
  write_audit(transaction.db, context, "webhook.delete", id, "{}");
  return true;
}

std::optional<Timestamp> rotate_secret(Transaction& transaction, const WebhookId& id,
                                       const Secret& secret, std::chrono::seconds grace,
                                       const ChangeContext& context) {
  const Subscriber* found = transaction.subscriptions.find(id);
  if (found == nullptr) return std::nullopt;
  const Timestamp expires_at = context.now + grace;
  StoredSecrets secrets = load_secrets(transaction.db, transaction.sealer, id, found->seq);
  secrets.previous.reset();
  secrets.previous_expires_at.reset();
  if (grace.count() > 0) {
    secrets.previous = std::move(secrets.current);
    secrets.previous_expires_at = expires_at;
  }
  secrets.current = secret;
  store_secrets(transaction.db, transaction.sealer, id, found->seq, secrets);
  transaction.db.run(
      "UPDATE webhooks SET secret_hint = ?2, secret_fingerprint = ?3, updated_at = ?4"
      " WHERE seq = ?1",
      found->seq, secret_hint(secret), secret_fingerprint(id.value, secret), context.now);
  write_audit(transaction.db, context, "webhook.rotate_secret", id, grace_detail(grace));
  return expires_at;
}

std::optional<Webhook> find_webhook(Connection& db, const Sealer& sealer, const WebhookId& id) {
  auto stored = load_webhook(db, sealer, id);
  if (!stored) return std::nullopt;
  return with_queue(db, KeptNumbers(db), std::move(*stored));
}

WebhookPage list_webhooks(Connection& db, const Sealer& sealer, const WebhookFilter& filter,
                          const PageRequest& page) {
  const std::vector<std::int64_t> found = find_matching(db, filter);
  const KeptNumbers numbers(db);
  WebhookPage result;
  result.total = static_cast<std::int64_t>(found.size());
  const std::int64_t first = (std::int64_t{page.page} - 1) * page.per_page;
  const std::int64_t end = std::min(first + page.per_page, result.total);
  for (std::int64_t index = first; index < end; ++index) {
    auto stored = load_webhook(db, sealer, found[static_cast<std::size_t>(index)]);
    if (stored) result.items.push_back(with_queue(db, numbers, std::move(*stored)));
  }
  return result;
}

}  // namespace webhookd
