#include "store/sqlite/kept_numbers.h"

#include "store/sqlite/tally_log.h"

namespace webhookd {
namespace {

constexpr DeliveryStatus kFirstStatus = DeliveryStatus::pending;
static_assert(static_cast<int>(kFirstStatus) == 0);

template <typename Wanted>
std::int64_t change_of(const Tally& tally, std::int64_t webhook_seq, Wanted wanted) {
  std::int64_t sum = 0;
  const Tally::Counters& all = tally.counters();
  for (auto at = all.lower_bound({webhook_seq, false, kFirstStatus}); at != all.end(); ++at) {
    const auto& [seq, test, status] = at->first;
    if (seq != webhook_seq) break;
    if (wanted(test, status)) sum += at->second;
  }
  return sum;
}

std::int64_t only_integer(Query row) {
  row.step();
  return row.integer(0);
}

bool is_not_deleted(Connection& db, std::int64_t webhook_seq) {
  Query row = db.query("SELECT 1 FROM webhooks WHERE seq = ?1 AND deleted_at IS NULL", webhook_seq);
  return row.step();
}

}  // namespace

KeptNumbers::KeptNumbers(Connection& db) : db_(db), unfolded_(load_unfolded(db)) {}

std::int64_t KeptNumbers::deliveries(std::int64_t webhook_seq,
                                     const std::optional<DeliveryStatus>& status) const {
  std::optional<int> number;
  if (status) number = static_cast<int>(*status);
  return only_integer(db_.query("SELECT ifnull(sum(count), 0) FROM counters WHERE webhook_seq = ?1"
                                " AND (?2 IS NULL OR status = ?2)",
                                webhook_seq, number)) +
         change_of(unfolded_, webhook_seq,
                   [&](bool, DeliveryStatus of) { return !status || of == *status; });
}

std::int64_t KeptNumbers::without_tests(std::int64_t webhook_seq, DeliveryStatus status) const {
  return only_integer(db_.query("SELECT ifnull(sum(count), 0) FROM counters"
                                " WHERE webhook_seq = ?1 AND test = 0 AND status = ?2",
                                webhook_seq, static_cast<int>(status))) +
         change_of(unfolded_, webhook_seq,
                   [&](bool test, DeliveryStatus of) { return !test && of == status; });
}

std::int64_t KeptNumbers::backlog(std::int64_t webhook_seq) const {
  return only_integer(db_.query("SELECT ifnull(sum(count), 0) FROM counters"
                                " WHERE webhook_seq = ?1 AND test = 0 AND status IN (0, 1)",
                                webhook_seq)) +
         unfolded_.backlog_change(webhook_seq);
}

std::int64_t KeptNumbers::backlog_of_all() const {
  std::int64_t sum = only_integer(db_.query(
      "SELECT ifnull(sum(c.count), 0) FROM webhooks w JOIN counters c ON c.webhook_seq = w.seq"
      " WHERE w.deleted_at IS NULL AND c.test = 0 AND c.status IN (0, 1)"));
  std::int64_t last = 0;
  for (const auto& [key, change] : unfolded_.counters()) {
    const std::int64_t seq = std::get<0>(key);
    if (std::exchange(last, seq) == seq || !is_not_deleted(db_, seq)) continue;
    sum += unfolded_.backlog_change(seq);
  }
  return sum;
}

std::vector<KeptNumbers::Span> KeptNumbers::rollups(std::int64_t webhook_seq,
                                                    std::int64_t resolution, std::int64_t begin,
                                                    std::int64_t end) const {
  std::vector<Span> spans;
  auto unfolded = unfolded_rollups(webhook_seq, resolution, begin, end);
  Query rows = db_.query(
      "SELECT start, created, succeeded, failed, attempts, latency_ms_sum, codes, latencies"
      " FROM rollups WHERE webhook_seq = ?1 AND resolution = ?2 AND start >= ?3 AND start < ?4"
      " ORDER BY start",
      webhook_seq, resolution, begin, end);
  while (rows.step()) {
    Span& span = spans.emplace_back(Span{rows.integer(0), stored_rollup(rows, 1)});
    if (const auto change = unfolded.extract(span.start)) span.rollup.merge(change.mapped());
  }
  for (auto& [start, change] : unfolded) spans.push_back({start, std::move(change)});
  for (Span& span : spans) span.rollup.leave_out_negative();
  return spans;
}

std::map<std::int64_t, Rollup> KeptNumbers::unfolded_rollups(std::int64_t webhook_seq,
                                                             std::int64_t resolution,
                                                             std::int64_t begin,
                                                             std::int64_t end) const {
  std::map<std::int64_t, Rollup> found;
  const Tally::Rollups& all = unfolded_.rollups();
  for (auto at = all.lower_bound({webhook_seq, 0}); at != all.end(); ++at) {
    const auto& [seq, fine_start] = at->first;
    if (seq != webhook_seq) break;
    const std::int64_t start = span_start(from_unix_millis(fine_start), resolution);
    if (start >= begin && start < end) found[start].merge(at->second);
  }
  return found;
}

}  // namespace webhookd
