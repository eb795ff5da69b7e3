#include "store/sqlite/tally_log.h"

#include <utility>

namespace webhookd {
namespace {

// Readers add up the rows: some tenths of a millisecond for so many and so much.
constexpr std::int64_t kMostRows = 64;
constexpr std::size_t kMostLogged = 96 * 1024;
// Folding takes a few milliseconds for so many, and everybody waits for it.
constexpr std::size_t kMostWebhooks = 256;
// A change of so many counters and rollups gains nothing from being folded with others.
constexpr std::size_t kLargeChange = 256;
constexpr std::chrono::milliseconds kFoldedAfter{500};

bool has_unfolded(Connection& db) { return db.query("SELECT 1 FROM tallies LIMIT 1").step(); }

void write_all(Connection& db, const Tally& sum) {
  sum.write_to(db);
  // To empty a table writes its page, also when it is empty.
  if (has_unfolded(db)) db.run("DELETE FROM tallies");
}

}  // namespace

Tally load_unfolded(Connection& db) {
  Tally sum;
  Query rows = db.query("SELECT changes FROM tallies");
  while (rows.step()) sum.merge_text(rows.text(0));
  return sum;
}

void fold_tallies(Connection& db) { write_all(db, load_unfolded(db)); }

void TallyLog::write(Connection& db, const Tally& tally, Monotonic now) {
  step_ = Step::nothing;
  written_at_ = now;
  if (is_due(tally, now)) {
    step_ = Step::folded;
    Tally sum = load_unfolded(db);
    sum.merge(tally);
    write_all(db, sum);
    return;
  }
  const std::string changes = tally.to_text();
  if (changes.empty()) return;
  step_ = Step::added;
  written_bytes_ = changes.size();
  db.run("INSERT INTO tallies(changes) VALUES(?1)", changes);
}

void TallyLog::committed(const Tally& tally) {
  const Step step = std::exchange(step_, Step::nothing);
  if (step == Step::folded) {
    rows_ = 0;
    bytes_ = 0;
    webhooks_.clear();
  }
  if (step == Step::added) {
    if (rows_ == 0) oldest_ = written_at_;
    ++rows_;
    bytes_ += written_bytes_;
    for (const auto& [key, change] : tally.counters()) webhooks_.insert(std::get<0>(key));
  }
}

void TallyLog::lost() {
  has_put_off_ = std::exchange(step_, Step::nothing) == Step::folded;
  if (has_put_off_) put_off_until_ = written_at_ + kFoldedAfter;
}

bool TallyLog::is_due(const Tally& tally, Monotonic now) const {
  if (now < put_off_until_) return false;
  if (tally.counters().size() + tally.rollups().size() > kLargeChange) return true;
  if (rows_ == 0) return false;
  return rows_ >= kMostRows || bytes_ >= kMostLogged || webhooks_.size() >= kMostWebhooks ||
         now - oldest_ >= kFoldedAfter;
}

}  // namespace webhookd
