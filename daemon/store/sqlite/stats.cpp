#include "store/sqlite/stats.h"

#include <algorithm>
#include <system_error>

#include "store/sqlite/disk_space.h"
#include "store/sqlite/kept_numbers.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/queue.h"
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

void fill_window(const KeptNumbers& numbers, std::int64_t seq, std::chrono::hours window,
                 Timestamp now, Stats& stats) {
  const Cut cut = cut_of(window);
  const std::int64_t end = span_start(now, cut.resolution) + cut.resolution * 1000;
  const std::int64_t begin = end - std::chrono::milliseconds{window}.count();
  stats.series = empty_series(begin, end, cut.step);
  Rollup sum;
  for (const auto& [start, span] : numbers.rollups(seq, cut.resolution, begin, end)) {
    const auto index = static_cast<std::size_t>((start - begin) / (cut.step * 1000));
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

std::int64_t size_of(const std::filesystem::path& file) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(file, failure);
  return failure ? 0 : static_cast<std::int64_t>(size);
}

std::optional<Timestamp> oldest_pending_of_all(Connection& db, const KeptNumbers& numbers) {
  std::optional<Timestamp> oldest;
  Query rows = db.query(
      "SELECT seq, ordered, generation, void_through, cancelling FROM webhooks"
      " WHERE deleted_at IS NULL");
  while (rows.step()) {
    if (numbers.without_tests(rows.integer(0), DeliveryStatus::pending) <= 0) continue;
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
  const KeptNumbers numbers(db);
  fill_window(numbers, stored->key.seq, window, now, stats);
  stats.pending = numbers.without_tests(stored->key.seq, DeliveryStatus::pending);
  stats.in_flight = numbers.without_tests(stored->key.seq, DeliveryStatus::in_flight);
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
  const KeptNumbers numbers(db);
  status.backlog = numbers.backlog_of_all();
  status.oldest_pending_at = oldest_pending_of_all(db, numbers);
  return status;
}

}  // namespace webhookd
