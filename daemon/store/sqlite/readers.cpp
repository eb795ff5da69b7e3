#include "store/sqlite/readers.h"

#include <algorithm>

namespace webhookd {
namespace {

constexpr std::chrono::seconds kLongestRead{5};
// Nobody says when lists need not wait any more.
constexpr std::chrono::milliseconds kLookAgainEvery{20};

}  // namespace

Readers::Readers(const std::filesystem::path& file, int count,
                 std::chrono::milliseconds longest_wait, std::function<bool()> lists_wait,
                 std::function<void(const std::string&)> on_broken)
    : count_(count),
      longest_wait_(longest_wait),
      lists_wait_(std::move(lists_wait)),
      on_broken_(std::move(on_broken)) {
  for (int made = 0; made < count; ++made) {
    free_.push_back(std::make_unique<Connection>(file, Connection::Role::reader));
  }
}

std::unique_ptr<Connection> Readers::take(ReadKind kind) {
  std::unique_lock lock(mutex_);
  Waiter self{kind, nullptr, {}};
  const auto place = waiting_.insert(waiting_.end(), &self);
  const Monotonic deadline = std::chrono::steady_clock::now() + longest_wait_;
  serve();
  while (!self.served.wait_for(lock, kLookAgainEvery, [&self] { return self.db != nullptr; })) {
    if (std::chrono::steady_clock::now() >= deadline) {
      waiting_.erase(place);
      throw StoreError(StoreError::Kind::unavailable, "the store has too many reads under way");
    }
    serve();
  }
  return std::move(self.db);
}

void Readers::give_back(ReadKind kind, std::unique_ptr<Connection> db) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(db));
  if (kind != ReadKind::point) --lists_;
  if (kind == ReadKind::search) --searches_;
  serve();
}

bool Readers::may_start(ReadKind kind) const {
  if (kind == ReadKind::point) return true;
  if (lists_ >= std::max(count_ - 1, 1) || lists_wait_()) return false;
  return kind == ReadKind::list || searches_ < std::max(count_ / 2, 1);
}

// Gives what is free to those who have waited longest. Under mutex_.
void Readers::serve() {
  for (auto place = waiting_.begin(); place != waiting_.end() && !free_.empty();) {
    Waiter& waiter = **place;
    if (!may_start(waiter.kind)) {
      ++place;
      continue;
    }
    if (waiter.kind != ReadKind::point) ++lists_;
    if (waiter.kind == ReadKind::search) ++searches_;
    waiter.db = std::move(free_.back());
    free_.pop_back();
    waiter.served.notify_one();
    place = waiting_.erase(place);
  }
}

Readers::Lease::Lease(Readers& readers, ReadKind kind)
    : readers_(readers), kind_(kind), db_(readers.take(kind)) {
  try {
    db_->set_deadline(std::chrono::steady_clock::now() + kLongestRead);
    db_->run("BEGIN");
  } catch (...) {
    readers_.give_back(kind_, std::move(db_));
    throw;
  }
}

Readers::Lease::~Lease() {
  db_->set_deadline(std::nullopt);
  try {
    if (db_->in_transaction()) db_->run("ROLLBACK");
  } catch (...) {  // NOLINT(bugprone-empty-catch): a read has nothing to undo
  }
  readers_.give_back(kind_, std::move(db_));
}

}  // namespace webhookd
