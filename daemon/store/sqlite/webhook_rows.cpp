#include "store/sqlite/webhook_rows.h"

#include <nlohmann/json.hpp>

#include "shared/model_json.h"

namespace webhookd {
namespace {

constexpr std::string_view kHeadersField = "headers";
constexpr std::string_view kSecretField = "secret";
constexpr std::string_view kPreviousSecretField = "previous_secret";

static_assert(static_cast<int>(WebhookStatus::active) == 0);
static_assert(static_cast<int>(WebhookStatus::paused) == 1);
static_assert(static_cast<int>(WebhookStatus::disabled) == 2);

#define WEBHOOK_COLUMNS                                                                          \
  "SELECT w.seq, w.id, w.shard, w.name, w.description, w.url, w.events, w.status, w.tenant,"     \
  " w.partner, w.headers, w.timeout_seconds, w.retry_schedule, w.max_in_flight, w.rate_limit,"   \
  " w.ordered, w.metadata, w.expires_at, w.secret_hint, w.secret_fingerprint,"                   \
  " w.disabled_reason, w.disabled_at, w.created_at, w.updated_at, w.generation, w.void_through," \
  " w.cancelling, w.kept_from, h.consecutive_failures, h.failing_since, h.last_success_at,"      \
  " h.last_failure_at, h.probes, h.next_probe_at, h.held_until, h.failing_ms"                    \
  " FROM webhooks w JOIN health h ON h.webhook_seq = w.seq WHERE w.deleted_at IS NULL"

constexpr const char* kById = WEBHOOK_COLUMNS " AND w.id = ?1";
constexpr const char* kBySeq = WEBHOOK_COLUMNS " AND w.seq = ?1";
constexpr const char* kByShard = WEBHOOK_COLUMNS " AND w.shard = ?1 ORDER BY w.seq";
#undef WEBHOOK_COLUMNS

EndpointHealth read_health(const Query& row, int first) {
  EndpointHealth health;
  health.consecutive_failures = row.small(first);
  health.failing_since = row.maybe_time(first + 1);
  health.last_success_at = row.maybe_time(first + 2);
  health.last_failure_at = row.maybe_time(first + 3);
  health.probes = row.small(first + 4);
  health.next_probe_at = row.maybe_time(first + 5);
  health.held_until = row.maybe_time(first + 6);
  health.failing_for = std::chrono::milliseconds{row.integer(first + 7)};
  return health;
}

WebhookSettings read_settings(const Query& row, const Sealer& sealer, const WebhookId& id) {
  WebhookSettings settings;
  settings.name = row.text(3);
  settings.description = row.maybe_text(4);
  settings.url = row.text(5);
  settings.events = strings_from_text(row.text(6));
  settings.status = static_cast<WebhookStatus>(row.small(7));
  settings.binding = {row.maybe_text(8), row.maybe_text(9)};
  settings.headers = headers_from_text(sealer.unseal(id.value, kHeadersField, row.blob(10)));
  settings.timeout = std::chrono::seconds{row.integer(11)};
  settings.retry_schedule = schedule_from_text(row.maybe_text(12));
  settings.max_in_flight = row.small(13);
  if (!row.is_null(14)) settings.rate_limit_per_second = row.real(14);
  settings.ordered = row.flag(15);
  settings.metadata = metadata_from_text(row.text(16));
  settings.expires_at = row.maybe_time(17);
  return settings;
}

StoredWebhook read_webhook(const Query& row, const Sealer& sealer) {
  StoredWebhook stored;
  stored.shard = row.small(2);
  stored.kept_from = row.integer(27);
  Webhook& webhook = stored.webhook;
  webhook.id = WebhookId{row.text(1)};
  webhook.settings = read_settings(row, sealer, webhook.id);
  webhook.secret_hint = row.text(18);
  webhook.secret_fingerprint = row.text(19);
  webhook.disabled_reason = row.maybe_text(20);
  webhook.disabled_at = row.maybe_time(21);
  webhook.created_at = row.time(22);
  webhook.updated_at = row.time(23);
  webhook.health = read_health(row, 28);
  const bool settling = row.flag(26);
  stored.key = {row.integer(0), webhook.settings.ordered, row.integer(24),
                settling ? row.integer(25) : 0, settling && row.integer(27) < row.integer(24)};
  return stored;
}

std::string sealed_headers(const Sealer& sealer, const WebhookId& id, const Headers& headers) {
  return sealer.seal(id.value, kHeadersField, headers_to_text(headers));
}

}  // namespace

std::string strings_to_text(const std::vector<std::string>& strings) {
  return nlohmann::json(strings).dump();
}

std::vector<std::string> strings_from_text(std::string_view text) {
  return nlohmann::json::parse(text).get<std::vector<std::string>>();
}

std::optional<std::string> schedule_to_text(const RetrySchedule& schedule) {
  if (!schedule) return std::nullopt;
  auto list = nlohmann::json::array();
  for (const auto delay : *schedule) list.push_back(delay.count());
  return list.dump();
}

RetrySchedule schedule_from_text(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  std::vector<std::chrono::seconds> schedule;
  for (const auto& delay : nlohmann::json::parse(*text)) {
    schedule.emplace_back(delay.get<std::int64_t>());
  }
  return schedule;
}

std::string metadata_to_text(const std::map<std::string, std::string>& metadata) {
  return nlohmann::json(metadata).dump();
}

std::map<std::string, std::string> metadata_from_text(std::string_view text) {
  return nlohmann::json::parse(text).get<std::map<std::string, std::string>>();
}

std::optional<StoredWebhook> load_webhook(Connection& db, const Sealer& sealer,
                                          const WebhookId& id) {
  Query row = db.query(kById, id.value);
  if (!row.step()) return std::nullopt;
  return read_webhook(row, sealer);
}

std::optional<StoredWebhook> load_webhook(Connection& db, const Sealer& sealer, std::int64_t seq) {
  Query row = db.query(kBySeq, seq);
  if (!row.step()) return std::nullopt;
  return read_webhook(row, sealer);
}

std::vector<StoredWebhook> load_shard(Connection& db, const Sealer& sealer, int shard) {
  std::vector<StoredWebhook> webhooks;
  Query rows = db.query(kByShard, shard);
  while (rows.step()) webhooks.push_back(read_webhook(rows, sealer));
  return webhooks;
}

std::int64_t insert_webhook(Connection& db, const Sealer& sealer, const NewWebhookRow& row) {
  const WebhookSettings& settings = row.settings;
  std::optional<Timestamp> disabled_at;
  if (settings.status == WebhookStatus::disabled) disabled_at = row.now;
  std::optional<Timestamp> paused_at;
  if (settings.status == WebhookStatus::paused) paused_at = row.now;
  db.run(
      "INSERT INTO webhooks(id, shard, name, description, url, events, status, tenant, partner,"
      " headers, timeout_seconds, retry_schedule, max_in_flight, rate_limit, ordered, metadata,"
      " expires_at, secret_hint, secret_fingerprint, disabled_at, paused_at, created_at,"
      " updated_at, rebound)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
      " ?19, ?20, ?21, ?22, ?22, 0)",
      row.id.value, shard_of(row.id), settings.name, settings.description, settings.url,
      strings_to_text(settings.events), static_cast<int>(settings.status),
      settings.binding.tenant_id, settings.binding.partner_id,
      Blob{sealed_headers(sealer, row.id, settings.headers)}, settings.timeout.count(),
      schedule_to_text(settings.retry_schedule), settings.max_in_flight,
      settings.rate_limit_per_second, settings.ordered ? 1 : 0, metadata_to_text(settings.metadata),
      settings.expires_at, secret_hint(row.secret), secret_fingerprint(row.id.value, row.secret),
      disabled_at, paused_at, row.now);
  const std::int64_t seq = db.last_insert_id();
  db.run("INSERT INTO health(webhook_seq) VALUES(?1)", seq);
  store_secrets(db, sealer, row.id, seq, {row.secret, std::nullopt, std::nullopt});
  return seq;
}

void update_settings(Connection& db, const Sealer& sealer, const WebhookId& id, std::int64_t seq,
                     const WebhookSettings& settings, Timestamp now) {
  db.run(
      "UPDATE webhooks SET name = ?2, description = ?3, url = ?4, events = ?5, status = ?6,"
      " tenant = ?7, partner = ?8, headers = ?9, timeout_seconds = ?10, retry_schedule = ?11,"
      " max_in_flight = ?12, rate_limit = ?13, ordered = ?14, metadata = ?15, expires_at = ?16,"
      " updated_at = ?17, paused_at = CASE WHEN ?6 = 1 THEN ifnull(paused_at, ?17) END"
      " WHERE seq = ?1",
      seq, settings.name, settings.description, settings.url, strings_to_text(settings.events),
      static_cast<int>(settings.status), settings.binding.tenant_id, settings.binding.partner_id,
      Blob{sealed_headers(sealer, id, settings.headers)}, settings.timeout.count(),
      schedule_to_text(settings.retry_schedule), settings.max_in_flight,
      settings.rate_limit_per_second, settings.ordered ? 1 : 0, metadata_to_text(settings.metadata),
      settings.expires_at, now);
}

void store_health(Connection& db, std::int64_t seq, const EndpointHealth& health) {
  db.run(
      "UPDATE health SET consecutive_failures = ?2, failing_since = ?3, last_success_at = ?4,"
      " last_failure_at = ?5, probes = ?6, next_probe_at = ?7, held_until = ?8,"
      " failing_ms = ?9 WHERE webhook_seq = ?1",
      seq, health.consecutive_failures, health.failing_since, health.last_success_at,
      health.last_failure_at, health.probes, health.next_probe_at, health.held_until,
      health.failing_for.count());
}

StoredSecrets load_secrets(Connection& db, const Sealer& sealer, const WebhookId& id,
                           std::int64_t seq) {
  Query row = db.query(
      "SELECT current, previous, previous_expires_at FROM secrets WHERE webhook_seq = ?1", seq);
  if (!row.step()) throw std::logic_error("store: a webhook without its secret");
  StoredSecrets secrets;
  secrets.current = Secret{sealer.unseal(id.value, kSecretField, row.blob(0))};
  if (!row.is_null(1)) {
    secrets.previous = Secret{sealer.unseal(id.value, kPreviousSecretField, row.blob(1))};
  }
  secrets.previous_expires_at = row.maybe_time(2);
  return secrets;
}

void store_secrets(Connection& db, const Sealer& sealer, const WebhookId& id, std::int64_t seq,
                   const StoredSecrets& secrets) {
  const std::string current = sealer.seal(id.value, kSecretField, secrets.current.value);
  std::string previous;
  std::optional<Blob> previous_blob;
  if (secrets.previous) {
    previous = sealer.seal(id.value, kPreviousSecretField, secrets.previous->value);
    previous_blob = Blob{previous};
  }
  db.run(
      "REPLACE INTO secrets(webhook_seq, current, previous, previous_expires_at)"
      " VALUES(?1, ?2, ?3, ?4)",
      seq, Blob{current}, previous_blob, secrets.previous_expires_at);
}

}  // namespace webhookd
