#include "store/sqlite/readers.h"

namespace webhookd {
namespace {

constexpr std::chrono::seconds kLongestRead{5};
constexpr std::chrono::seconds kLongestWait{5};

}  // namespace

Readers::Readers(const std::filesystem::path& file, int count) {
  for (int made = 0; made < count; ++made) {
    free_.push_back(std::make_unique<Connection>(file, Connection::Role::reader));
  }
}

std::unique_ptr<Connection> Readers::take() {
  std::unique_lock lock(mutex_);
  if (!came_free_.wait_for(lock, kLongestWait, [this] { return !free_.empty(); })) {
    throw StoreError(StoreError::Kind::unavailable, "the store has too many reads under way");
  }
  std::unique_ptr<Connection> db = std::move(free_.back());
  free_.pop_back();
  return db;
}

void Readers::give_back(std::unique_ptr<Connection> db) {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(db));
  }
  came_free_.notify_one();
}

Readers::Lease::Lease(Readers& readers) : readers_(readers), db_(readers.take()) {
  try {
    db_->set_deadline(std::chrono::steady_clock::now() + kLongestRead);
    db_->run("BEGIN");
  } catch (...) {
    readers_.give_back(std::move(db_));
    throw;
  }
}

Readers::Lease::~Lease() {
  db_->set_deadline(std::nullopt);
  try {
    if (db_->in_transaction()) db_->run("ROLLBACK");
  } catch (...) {  // NOLINT(bugprone-empty-catch): a read has nothing to undo
  }
  readers_.give_back(std::move(db_));
}

}  // namespace webhookd
