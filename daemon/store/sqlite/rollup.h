#pragma once

// Numbers that are kept up while deliveries are made, so that a count, a list's total or a stats
// call costs the same however many deliveries there are.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "shared/model.h"
#include "store/sqlite/connection.h"

namespace webhookd {

// Durations in buckets that grow by a fifth: bucket 0 is 0 ms, bucket n is [1.2^(n-1), 1.2^n) ms.
// A percentile is the geometric middle of its bucket, so it is at most 10 % off.
class LatencyHistogram {
 public:
  void add(std::chrono::milliseconds duration, std::int64_t count = 1);
  void merge(const LatencyHistogram& other);
  std::int64_t count() const;
  // `share` in (0, 1]. Absent when empty.
  std::optional<double> percentile(double share) const;

  // "bucket:count,…", only buckets that are not empty.
  std::string to_text() const;
  static LatencyHistogram from_text(std::string_view text);

 private:
  std::map<int, std::int64_t> buckets_;
};

// "200:12,timeout:3" both ways.
std::string codes_to_text(const std::map<std::string, std::int64_t>& codes);
std::map<std::string, std::int64_t> codes_from_text(std::string_view text);

// What happened in one span of time at one webhook; as a change, `succeeded` and `failed` may be
// negative.
struct Rollup {
  std::int64_t created = 0;
  std::int64_t succeeded = 0;
  std::int64_t failed = 0;
  std::int64_t attempts = 0;
  std::int64_t latency_ms_sum = 0;  // of the attempts that were answered
  std::map<std::string, std::int64_t> codes;
  LatencyHistogram latencies;  // the same

  void merge(const Rollup& other);
  // An end that is taken back may have been counted in a rollup that is too old to be kept.
  void leave_out_negative();
  void add_attempt(const Attempt& attempt);
};

inline constexpr std::int64_t kFineSeconds = 300;
inline constexpr std::int64_t kCoarseSeconds = 3600;

// Start of the span of `resolution` seconds that holds `time`, in Unix milliseconds.
std::int64_t span_start(Timestamp time, std::int64_t resolution);

// Events that were stored one after the other.
struct EventSpan {
  std::int64_t first_seq = 0;
  std::int64_t last_seq = 0;

  void merge(const EventSpan& other);
};

// The changes to counters, rollups and spans of events of a request, of a group of them, or of
// several groups, written in one go.
class Tally {
 public:
  void count(std::int64_t webhook_seq, bool test, DeliveryStatus status, std::int64_t change);
  void move(std::int64_t webhook_seq, bool test, DeliveryStatus from, DeliveryStatus to,
            std::int64_t rows = 1);
  Rollup& rollup(std::int64_t webhook_seq, Timestamp now);

  // An event that was stored, not a test's.
  void accepted(std::int64_t event_seq, Timestamp now);

  // Pending and in flight, tests left out.
  std::int64_t backlog_change(std::int64_t webhook_seq) const;

  using Counters = std::map<std::tuple<std::int64_t, bool, DeliveryStatus>, std::int64_t>;
  using Rollups = std::map<std::pair<std::int64_t, std::int64_t>, Rollup>;
  const Counters& counters() const { return counters_; }  // webhook, test, status
  const Rollups& rollups() const { return rollups_; }     // webhook and fine span
  const std::map<std::int64_t, EventSpan>& spans() const { return spans_; }  // by fine span

  void merge(const Tally& other);
  // What it changes at a webhook whose row is gone, goes with it.
  void write_to(Connection& db) const;
  void clear();

  // A line for each change; empty when there is none. Texts that follow each other are their sum.
  std::string to_text() const;
  void merge_text(std::string_view text);

 private:
  void merge_line(std::string_view line);
  void merge_span(std::int64_t start, const EventSpan& span);

  Counters counters_;
  Rollups rollups_;
  std::map<std::int64_t, EventSpan> spans_;
};

// The rollup of one span as stored; empty when there is none.
Rollup stored_rollup(const Query& row, int first_column);
inline constexpr const char* kRollupColumns =
    "created, succeeded, failed, attempts, latency_ms_sum, codes, latencies";

}  // namespace webhookd
