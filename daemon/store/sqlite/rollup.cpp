#include "store/sqlite/rollup.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <set>
#include <vector>

#include "shared/model_json.h"

namespace webhookd {
namespace {

constexpr double kGrowth = 1.2;

// Upper bounds of the buckets from 1 on; the last holds a day.
const std::vector<double>& bucket_bounds() {
  static const std::vector<double> bounds = [] {
    std::vector<double> all;
    for (double bound = kGrowth; bound < 86'400'000.0; bound *= kGrowth) all.push_back(bound);
    return all;
  }();
  return bounds;
}

int bucket_of(std::chrono::milliseconds duration) {
  if (duration.count() <= 0) return 0;
  const auto& bounds = bucket_bounds();
  const auto bound =
      std::upper_bound(bounds.begin(), bounds.end(), static_cast<double>(duration.count()));
  return static_cast<int>(bound - bounds.begin()) + 1;
}

double middle_of(int bucket) {
  if (bucket == 0) return 0.0;
  return std::pow(kGrowth, bucket - 0.5);
}

std::int64_t parse_count(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Takes what is in front of the next `end` off `text`.
std::string_view cut_off(std::string_view& text, char end) {
  const std::size_t length = std::min(text.find(end), text.size());
  const std::string_view front = text.substr(0, length);
  text.remove_prefix(std::min(length + 1, text.size()));
  return front;
}

void append_pair(std::string& text, std::string_view key, std::int64_t count) {
  if (!text.empty()) text += ',';
  text.append(key).append(":").append(std::to_string(count));
}

template <typename Visit>
void each_pair(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::string_view pair = cut_off(text, ',');
    const std::size_t colon = pair.find(':');
    if (colon != std::string_view::npos) {
      visit(pair.substr(0, colon), parse_count(pair.substr(colon + 1)));
    }
  }
}

void append_number(std::string& text, std::int64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text.append(digits.data(), end);
}

void append_words(std::string& text, char kind, std::initializer_list<std::int64_t> numbers) {
  text += kind;
  for (const std::int64_t number : numbers) {
    text += ' ';
    append_number(text, number);
  }
}

std::int64_t next_number(std::string_view& line) { return parse_count(cut_off(line, ' ')); }

void write_counter(Connection& db, std::int64_t seq, bool test, DeliveryStatus status,
                   std::int64_t change) {
  db.run(
      "INSERT INTO counters(webhook_seq, test, status, count) SELECT ?1, ?2, ?3, ?4"
      " WHERE EXISTS (SELECT 1 FROM webhooks WHERE seq = ?1)"
      " ON CONFLICT DO UPDATE SET count = count + excluded.count",
      seq, test, static_cast<int>(status), change);
}

void write_rollup(Connection& db, std::int64_t seq, std::int64_t resolution, std::int64_t start,
                  const Rollup& change) {
  if (change.attempts == 0 && change.succeeded == 0 && change.failed == 0) {
    db.run(
        "INSERT INTO rollups SELECT ?1, ?2, ?3, ?4, 0, 0, 0, 0, '', ''"
        " WHERE EXISTS (SELECT 1 FROM webhooks WHERE seq = ?1)"
        " ON CONFLICT DO UPDATE SET created = created + excluded.created",
        seq, resolution, start, change.created);
    return;
  }
  Rollup sum = change;
  {
    Query row = db.query(
        "SELECT created, succeeded, failed, attempts, latency_ms_sum, codes, latencies FROM rollups"
        " WHERE webhook_seq = ?1 AND resolution = ?2 AND start = ?3",
        seq, resolution, start);
    if (row.step()) sum.merge(stored_rollup(row, 0));
  }
  sum.leave_out_negative();
  db.run(
      "REPLACE INTO rollups SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"
      " WHERE EXISTS (SELECT 1 FROM webhooks WHERE seq = ?1)",
      seq, resolution, start, sum.created, sum.succeeded, sum.failed, sum.attempts,
      sum.latency_ms_sum, codes_to_text(sum.codes), sum.latencies.to_text());
}

// One that is continued grows; a later one begins anew, so that a clock which was set back does not
// stretch a span over all that came in between.
constexpr std::int64_t kContinuesWithin = 10'000;

void write_span(Connection& db, std::int64_t start, const EventSpan& span) {
  const std::int64_t grown = db.run(
      "UPDATE event_spans SET last_seq = max(last_seq, ?3) WHERE start = ?1"
      " AND first_seq <= ?2 AND last_seq >= ?2 - ?4",
      start, span.first_seq, span.last_seq, kContinuesWithin);
  if (grown > 0) return;
  db.run("INSERT INTO event_spans(start, first_seq, last_seq) VALUES(?1, ?2, ?3)", start,
         span.first_seq, span.last_seq);
}

}  // namespace

void EventSpan::merge(const EventSpan& other) {
  first_seq = std::min(first_seq, other.first_seq);
  last_seq = std::max(last_seq, other.last_seq);
}

void LatencyHistogram::add(std::chrono::milliseconds duration, std::int64_t count) {
  buckets_[bucket_of(duration)] += count;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (const auto& [bucket, count] : other.buckets_) buckets_[bucket] += count;
}

std::int64_t LatencyHistogram::count() const {
  std::int64_t sum = 0;
  for (const auto& [bucket, count] : buckets_) sum += count;
  return sum;
}

std::optional<double> LatencyHistogram::percentile(double share) const {
  const std::int64_t all = count();
  if (all == 0) return std::nullopt;
  const auto rank =
      std::max<std::int64_t>(1, std::llround(std::ceil(share * static_cast<double>(all))));
  std::int64_t seen = 0;
  for (const auto& [bucket, count] : buckets_) {
    seen += count;
    if (seen >= rank) return middle_of(bucket);
  }
  return middle_of(buckets_.rbegin()->first);
}

std::string LatencyHistogram::to_text() const {
  std::string text;
  for (const auto& [bucket, count] : buckets_) append_pair(text, std::to_string(bucket), count);
  return text;
}

LatencyHistogram LatencyHistogram::from_text(std::string_view text) {
  LatencyHistogram histogram;
  each_pair(text, [&](std::string_view bucket, std::int64_t count) {
    histogram.buckets_[static_cast<int>(parse_count(bucket))] += count;
  });
  return histogram;
}

std::string codes_to_text(const std::map<std::string, std::int64_t>& codes) {
  std::string text;
  for (const auto& [code, count] : codes) append_pair(text, code, count);
  return text;
}

std::map<std::string, std::int64_t> codes_from_text(std::string_view text) {
  std::map<std::string, std::int64_t> codes;
  each_pair(text,
            [&](std::string_view code, std::int64_t count) { codes[std::string(code)] += count; });
  return codes;
}

void Rollup::merge(const Rollup& other) {
  created += other.created;
  succeeded += other.succeeded;
  failed += other.failed;
  attempts += other.attempts;
  latency_ms_sum += other.latency_ms_sum;
  for (const auto& [code, count] : other.codes) codes[code] += count;
  latencies.merge(other.latencies);
}

void Rollup::leave_out_negative() {
  succeeded = std::max<std::int64_t>(succeeded, 0);
  failed = std::max<std::int64_t>(failed, 0);
}

void Rollup::add_attempt(const Attempt& attempt) {
  ++attempts;
  if (attempt.response_status) {
    ++codes[std::to_string(*attempt.response_status)];
    latency_ms_sum += attempt.duration.count();
    latencies.add(attempt.duration);
  } else if (attempt.error) {
    ++codes[std::string(to_string(attempt.error->kind))];
  }
}

std::int64_t span_start(Timestamp time, std::int64_t resolution) {
  const std::int64_t seconds = unix_seconds(time);
  return (seconds - seconds % resolution) * 1000;
}

void Tally::count(std::int64_t webhook_seq, bool test, DeliveryStatus status, std::int64_t change) {
  counters_[{webhook_seq, test, status}] += change;
}

void Tally::move(std::int64_t webhook_seq, bool test, DeliveryStatus from, DeliveryStatus to,
                 std::int64_t rows) {
  count(webhook_seq, test, from, -rows);
  count(webhook_seq, test, to, rows);
}

Rollup& Tally::rollup(std::int64_t webhook_seq, Timestamp now) {
  return rollups_[{webhook_seq, span_start(now, kFineSeconds)}];
}

void Tally::accepted(std::int64_t event_seq, Timestamp now) {
  merge_span(span_start(now, kFineSeconds), {event_seq, event_seq});
}

void Tally::merge_span(std::int64_t start, const EventSpan& span) {
  const auto [place, is_new] = spans_.emplace(start, span);
  if (!is_new) place->second.merge(span);
}

std::int64_t Tally::backlog_change(std::int64_t webhook_seq) const {
  std::int64_t sum = 0;
  for (const auto status : {DeliveryStatus::pending, DeliveryStatus::in_flight}) {
    const auto found = counters_.find({webhook_seq, false, status});
    if (found != counters_.end()) sum += found->second;
  }
  return sum;
}

void Tally::merge(const Tally& other) {
  for (const auto& [key, change] : other.counters_) counters_[key] += change;
  for (const auto& [key, change] : other.rollups_) rollups_[key].merge(change);
  for (const auto& [start, span] : other.spans_) merge_span(start, span);
}

void Tally::write_to(Connection& db) const {
  for (const auto& [key, change] : counters_) {
    const auto& [seq, test, status] = key;
    if (change != 0) write_counter(db, seq, test, status, change);
  }
  for (const auto& [key, change] : rollups_) {
    const auto& [seq, start] = key;
    write_rollup(db, seq, kFineSeconds, start, change);
    write_rollup(db, seq, kCoarseSeconds, span_start(from_unix_millis(start), kCoarseSeconds),
                 change);
  }
  for (const auto& [start, span] : spans_) write_span(db, start, span);
}

void Tally::clear() {
  spans_.clear();
  counters_.clear();
  rollups_.clear();
}

std::string Tally::to_text() const {
  std::string text;
  for (const auto& [key, change] : counters_) {
    const auto& [seq, test, status] = key;
    if (change == 0) continue;
    append_words(text, 'c', {seq, test ? 1 : 0, static_cast<int>(status), change});
    text += '\n';
  }
  for (const auto& [key, change] : rollups_) {
    append_words(text, 'r',
                 {key.first, key.second, change.created, change.succeeded, change.failed,
                  change.attempts, change.latency_ms_sum});
    text.append(" ").append(codes_to_text(change.codes));
    text.append(" ").append(change.latencies.to_text()).append("\n");
  }
  for (const auto& [start, span] : spans_) {
    append_words(text, 's', {start, span.first_seq, span.last_seq});
    text += '\n';
  }
  return text;
}

void Tally::merge_text(std::string_view text) {
  while (!text.empty()) merge_line(cut_off(text, '\n'));
}

void Tally::merge_line(std::string_view line) {
  const std::string_view kind = cut_off(line, ' ');
  const std::int64_t first = next_number(line);
  const std::int64_t second = next_number(line);
  const std::int64_t third = next_number(line);
  if (kind == "s") return merge_span(first, {second, third});
  const std::int64_t fourth = next_number(line);
  if (kind == "c") return count(first, second != 0, static_cast<DeliveryStatus>(third), fourth);
  Rollup change;
  change.created = third;
  change.succeeded = fourth;
  change.failed = next_number(line);
  change.attempts = next_number(line);
  change.latency_ms_sum = next_number(line);
  change.codes = codes_from_text(cut_off(line, ' '));
  change.latencies = LatencyHistogram::from_text(line);
  rollups_[{first, second}].merge(change);
}

Rollup stored_rollup(const Query& row, int first_column) {
  Rollup rollup;
  rollup.created = row.integer(first_column);
  rollup.succeeded = row.integer(first_column + 1);
  rollup.failed = row.integer(first_column + 2);
  rollup.attempts = row.integer(first_column + 3);
  rollup.latency_ms_sum = row.integer(first_column + 4);
  rollup.codes = codes_from_text(row.text(first_column + 5));
  rollup.latencies = LatencyHistogram::from_text(row.text(first_column + 6));
  return rollup;
}

}  // namespace webhookd
