#include "store/sqlite/stats.h"

#include <algorithm>
#include <system_error>

#include "store/sqlite/disk_space.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/queue.h"
#include "store/sqlite/rollup.h"
#include "store/sqlite/webhook_rows.h"

namespace webhookd {
namespace {

// How a window is cut: the spans that it is summed from and the points of its series, in seconds.
struct Cut {
  std::int64_t resolution = kFineSeconds;
  std::int64_t step = kFineSeconds;
};

Cut cut_of(std::chrono::hours window) {
  using std::chrono::hours;
  if (window <= hours{2}) return {kFineSeconds, kFineSeconds};
  if (window <= hours{48}) return {kFineSeconds, 3600};
  if (window <= hours{7 * 24}) return {kCoarseSeconds, 6 * 3600};
  return {kCoarseSeconds, 24 * 3600};
}

std::vector<Stats::Point> empty_series(std::int64_t begin, std::int64_t end, std::int64_t step) {
  std::vector<Stats::Point> series;
  for (std::int64_t start = begin; start < end; start += step * 1000) {
    series.push_back({from_unix_millis(start), 0, 0});
  }
  return series;
}

void fill_latencies(const Rollup& sum, Stats& stats) {
  const std::int64_t answered = sum.latencies.count();
  if (answered == 0) return;
  stats.latency_avg_ms = static_cast<double>(sum.latency_ms_sum) / static_cast<double>(answered);
  stats.latency_p50_ms = sum.latencies.percentile(0.50);
  stats.latency_p95_ms = sum.latencies.percentile(0.95);
  stats.latency_p99_ms = sum.latencies.percentile(0.99);
}

void fill_window(Connection& db, std::int64_t seq, std::chrono::hours window, Timestamp now,
                 Stats& stats) {
  const Cut cut = cut_of(window);
  const std::int64_t end = span_start(now, cut.resolution) + cut.resolution * 1000;
  const std::int64_t begin = end - std::chrono::milliseconds{window}.count();
  stats.series = empty_series(begin, end, cut.step);
  Rollup sum;
  Query rows = db.query(
      "SELECT start, created, succeeded, failed, attempts, latency_ms_sum, codes, latencies"
      " FROM rollups WHERE webhook_seq = ?1 AND resolution = ?2 AND start >= ?3 AND start < ?4"
      " ORDER BY start",
      seq, cut.resolution, begin, end);
  while (rows.step()) {
    const Rollup span = stored_rollup(rows, 1);
    const auto index = static_cast<std::size_t>((rows.integer(0) - begin) / (cut.step * 1000));
    stats.series[index].succeeded += span.succeeded;
    stats.series[index].failed += span.failed;
    sum.merge(span);
  }
  stats.total = sum.created;
  stats.succeeded = sum.succeeded;
  stats.failed = sum.failed;
  stats.attempts = sum.attempts;
  stats.status_codes = sum.codes;
  fill_latencies(sum, stats);
}

std::int64_t count_now(Connection& db, std::int64_t seq, DeliveryStatus status) {
  Query row =
      db.query("SELECT count FROM counters WHERE webhook_seq = ?1 AND test = 0 AND status = ?2",
               seq, static_cast<int>(status));
  return row.step() ? row.integer(0) : 0;
}

std::int64_t size_of(const std::filesystem::path& file) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(file, failure);
  return failure ? 0 : static_cast<std::int64_t>(size);
}

std::optional<Timestamp> oldest_pending_of_all(Connection& db) {
  std::optional<Timestamp> oldest;
  Query rows = db.query(
      "SELECT w.seq, w.ordered, w.generation, w.void_through, w.cancelling"
      " FROM webhooks w JOIN counters c ON c.webhook_seq = w.seq AND c.test = 0 AND c.status = 0"
      " WHERE w.deleted_at IS NULL AND c.count > 0");
  while (rows.step()) {
    const QueueKey key{rows.integer(0), rows.flag(1), rows.integer(2),
                       rows.flag(4) ? rows.integer(3) : 0};
    const auto first = oldest_pending(db, key);
    if (first && (!oldest || *first < *oldest)) oldest = first;
  }
  return oldest;
}

std::int64_t single_number(Connection& db, std::string_view sql) {
  Query row = db.query(sql);
  row.step();
  return row.integer(0);
}

}  // namespace

std::optional<Stats> load_stats(Connection& db, const Sealer& sealer, const WebhookId& id,
                                std::chrono::hours window, Timestamp now) {
  const auto stored = load_webhook(db, sealer, id);
  if (!stored) return std::nullopt;
  Stats stats;
  fill_window(db, stored->key.seq, window, now, stats);
  stats.pending = count_now(db, stored->key.seq, DeliveryStatus::pending);
  stats.in_flight = count_now(db, stored->key.seq, DeliveryStatus::in_flight);
  stats.consecutive_failures = stored->webhook.health.consecutive_failures;
  stats.last_success_at = stored->webhook.health.last_success_at;
  stats.last_failure_at = stored->webhook.health.last_failure_at;
  stats.oldest_pending_at = oldest_pending(db, stored->key);
  return stats;
}

StoreStatus load_status(Connection& db, const std::filesystem::path& database) {
  StoreStatus status;
  status.kind = "sqlite";
  status.schema_version = std::to_string(schema_of(db));
  status.size_bytes = size_of(database) + size_of(database.string() + "-wal");
  status.free_bytes = free_bytes(database.parent_path());
  status.webhooks = single_number(db, "SELECT count(*) FROM webhooks WHERE deleted_at IS NULL");
  status.backlog = single_number(
      db,
      "SELECT ifnull(sum(c.count), 0) FROM webhooks w JOIN counters c ON c.webhook_seq = w.seq"
      " WHERE w.deleted_at IS NULL AND c.test = 0 AND c.status IN (0, 1)");
  status.oldest_pending_at = oldest_pending_of_all(db);
  return status;
}

}  // namespace webhookd
