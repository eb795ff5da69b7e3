#include "store/sqlite/writer.h"

#include <cassert>
#include <filesystem>
#include <future>

#include "store/sqlite/disk_space.h"

namespace webhookd {
namespace {

// Bounds of a group keep the wait of those who come next short.
constexpr std::size_t kMostRequests = 512;
constexpr std::size_t kMostBytes = 8 * 1024 * 1024;

// 16 MiB: large enough that a page changed often is moved once, small enough that moving is short.
constexpr int kCheckpointPages = 4096;
// 1 MiB: with little space left the log must not take it all before it first starts over.
constexpr int kEarlyCheckpointPages = 256;
constexpr std::int64_t kLittleSpace = 64 * 1024 * 1024;
// 128 MiB: readers have kept the log from starting over, so now it waits for them a moment.
constexpr int kRestartPages = 8 * kCheckpointPages;

// Renewed by each try to restart the log, one a MiB.
constexpr std::chrono::seconds kListsHeldFor{2};

// Without room there is soon to be some again; looking for it moves pages.
constexpr std::chrono::seconds kRoomSoughtEvery{1};

// A log of more than 4 MiB is not worth keeping for a store that writes less than 256 KiB
// meanwhile.
constexpr std::uintmax_t kLogKept = 4 * 1024 * 1024;
constexpr int kCalmPages = 64;
constexpr std::chrono::seconds kCalmFor{2};

std::uintmax_t log_bytes(const std::filesystem::path& database) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(database.string() + "-wal", failure);
  return failure ? 0 : size;
}

std::optional<StoreError::Kind> store_error_kind(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const StoreError& failure) {
    return failure.kind();
  } catch (...) {
    return std::nullopt;
  }
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& failure) {
    return failure.what();
  } catch (...) {
    return "unknown";
  }
}

}  // namespace

Writer::Writer(std::unique_ptr<Connection> db, const Sealer& sealer, int default_attempts,
               std::function<void(const std::string&)> on_broken)
    : db_(std::move(db)),
      sealer_(sealer),
      on_broken_(std::move(on_broken)),
      subscriptions_(default_attempts) {
  thread_ = std::thread([this] { loop(); });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_came_.notify_one();
  thread_.join();
  // After a failed fsync nobody knows what is in the log: the next start decides.
  if (broken_) db_->keep_wal_on_close();
}

void Writer::submit(std::size_t bytes, Work work, Done done) {
  auto request = std::make_unique<Request>();
  request->work = std::move(work);
  request->done = std::move(done);
  request->bytes = bytes;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    assert(!stopping_);
    waiting_.push_back(std::move(request));
    wake = std::exchange(is_asleep_, false);
  }
  if (wake) work_came_.notify_one();
}

void Writer::wait_for(std::size_t bytes, Work work) {
  // Shared: the caller may return before set_value() does.
  const auto promise = std::make_shared<std::promise<std::exception_ptr>>();
  std::future<std::exception_ptr> done = promise->get_future();
  submit(bytes, std::move(work),
         [promise](std::exception_ptr failure) { promise->set_value(std::move(failure)); });
  if (std::exception_ptr failure = done.get()) std::rethrow_exception(std::move(failure));
}

void Writer::loop() {
  Group group;
  while (take(group)) {
    make(group);
    settle(group);
    checkpoint_when_large();
    shrink_idle_log();
  }
}

bool Writer::take(Group& group) {
  group.clear();
  std::unique_lock lock(mutex_);
  work_came_.wait(lock, [this] {
    is_asleep_ = !stopping_ && waiting_.empty();
    return !is_asleep_;
  });
  std::size_t bytes = 0;
  while (!waiting_.empty() && group.size() < kMostRequests && bytes < kMostBytes) {
    bytes += waiting_.front()->bytes;
    group.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return !group.empty();
}

void Writer::make(Requests group) {
  std::exception_ptr failure;
  if (try_group(group, Savepoints::none, failure) == Fate::kept) return;
  const auto kind = store_error_kind(failure);
  const bool would_be_smaller = tally_log_.has_put_off();
  const bool has_room = kind == StoreError::Kind::full && make_room();
  const bool is_worth_another_try = would_be_smaller || has_room || (!kind && group.size() > 1);
  if (is_worth_another_try && try_group(group, Savepoints::each, failure) == Fate::kept) return;
  // One by one, so that the one that cannot be made does not fail the others.
  for (const auto& request : group) {
    const bool own_fault = request->error && !store_error_kind(request->error);
    if (own_fault) continue;
    request->error = nullptr;
    if (broken_) {  // an exception for each caller, who frees it
      request->error = std::make_exception_ptr(StoreError(StoreError::Kind::broken, *broken_));
      continue;
    }
    if (group.size() == 1) {
      request->error = failure;
      continue;
    }
    std::exception_ptr own_failure;
    if (try_group({&request, 1}, Savepoints::none, own_failure) == Fate::lost && !request->error) {
      request->error = own_failure;
    }
  }
}

Writer::Fate Writer::try_group(Requests group, Savepoints savepoints, std::exception_ptr& failure) {
  group_tally_.clear();
  try {
    if (broken_) throw StoreError(StoreError::Kind::broken, *broken_);
    db_->run("BEGIN IMMEDIATE");
    for (const auto& request : group) {
      make_request(*request, savepoints);
      if (!request->error) continue;
      if (broken_ || savepoints == Savepoints::none || undo_request() == Fate::lost) {
        std::rethrow_exception(request->error);
      }
    }
    tally_log_.write(*db_, group_tally_, std::chrono::steady_clock::now());
    db_->run("COMMIT");
  } catch (...) {
    failure = std::current_exception();
    note(failure);
    undo_group();
    return Fate::lost;
  }
  tally_log_.committed(group_tally_);
  subscriptions_.committed();
  hand_over();
  return Fate::kept;
}

// Leaves what the work threw in the request, and the savepoint open then.
void Writer::make_request(Request& request, Savepoints savepoints) {
  request.error = nullptr;
  request_tally_.clear();
  standing_.begin_request();
  if (savepoints == Savepoints::each) db_->run("SAVEPOINT request");
  try {
    subscriptions_.refresh(*db_);
    Transaction transaction{*db_, subscriptions_, standing_, request_tally_, group_tally_, sealer_};
    request.work(transaction);
  } catch (...) {
    request.error = std::current_exception();
    note(request.error);
    return;
  }
  if (savepoints == Savepoints::each) db_->run("RELEASE request");
  group_tally_.merge(request_tally_);
}

Writer::Fate Writer::undo_request() {
  subscriptions_.rolled_back();
  standing_.undo_request();
  // A full disk may have undone the whole transaction.
  if (!db_->in_transaction()) return Fate::lost;
  db_->run("ROLLBACK TO request");
  db_->run("RELEASE request");
  return Fate::kept;
}

void Writer::undo_group() {
  subscriptions_.rolled_back();
  subscriptions_.committed();
  standing_.undo_group();
  tally_log_.lost();
  if (!db_->in_transaction()) return;
  try {
    db_->run("ROLLBACK");
  } catch (...) {
    note(std::current_exception());
  }
}

void Writer::note(const std::exception_ptr& error) {
  if (broken_ || store_error_kind(error) != StoreError::Kind::broken) return;
  broken_ = text_of(error);
  on_broken_(*broken_);
}

void Writer::hand_fresh_claims_to(Store::FreshClaims taker) {
  const std::lock_guard lock(taker_mutex_);
  taker_ = std::move(taker);
}

void Writer::hand_over() {
  std::vector<FreshClaim> claims = standing_.commit();
  if (claims.empty()) return;
  const std::lock_guard lock(taker_mutex_);
  if (taker_) taker_(std::move(claims));
}

void Writer::settle(Requests group) {
  for (const auto& request : group) {
    // The work holds references into its caller, who may return now. The failure is moved: whoever
    // gets it frees it.
    request->work = nullptr;
    request->done(std::exchange(request->error, nullptr));
  }
}

void Writer::checkpoint_when_large() {
  if (broken_) return;
  const int pages = db_->wal_pages();
  if (pages < considered_pages_) {  // the log has started over
    considered_pages_ = 0;
    checkpointed_pages_ = 0;
  }
  if (pages - considered_pages_ < kEarlyCheckpointPages) return;
  considered_pages_ = pages;
  if (pages >= kRestartPages) return restart_log();
  const bool is_due = pages - checkpointed_pages_ >= kCheckpointPages;
  if (!is_due && free_bytes(db_->file()) >= kLittleSpace) return;
  checkpointed_pages_ = pages;
  checkpoint(SQLITE_CHECKPOINT_PASSIVE);
}

void Writer::tidy_log() {
  if (log_bytes(db_->file()) > kLogKept)
    submit(
        0, [](Transaction&) {}, [](const std::exception_ptr&) {});
}

// Does not wait for readers: the next second does as well.
void Writer::shrink_idle_log() {
  const Monotonic now = std::chrono::steady_clock::now();
  const int pages = db_->wal_pages();
  if (broken_ || pages < calm_pages_ || pages - calm_pages_ > kCalmPages) {
    calm_pages_ = pages;
    calm_since_ = now;
  }
  if (now - calm_since_ < kCalmFor || log_bytes(db_->file()) <= kLogKept) return;
  calm_since_ = now;
  if (checkpoint(SQLITE_CHECKPOINT_PASSIVE) != Checkpoint::done) return;
  db_->wait_for_readers(Connection::Waiting::no);
  checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  db_->wait_for_readers(Connection::Waiting::yes);
}

// Reads that are under way have a deadline; when no long one may start meanwhile, the next try or
// one soon after it succeeds.
void Writer::restart_log() {
  const bool hindered = checkpoint(SQLITE_CHECKPOINT_RESTART) == Checkpoint::hindered;
  lists_held_until_ =
      hindered ? std::chrono::steady_clock::now() + kListsHeldFor : Monotonic::min();
}

// What the log holds goes where there may be space for it, and the log need not grow then.
bool Writer::make_room() {
  const Monotonic now = std::chrono::steady_clock::now();
  if (broken_ || (no_room_at_ && now - *no_room_at_ < kRoomSoughtEvery)) return false;
  no_room_at_.reset();
  if (checkpoint(SQLITE_CHECKPOINT_RESTART) == Checkpoint::done) return true;
  no_room_at_ = now;
  return false;
}

Writer::Checkpoint Writer::checkpoint(int mode) {
  try {
    return db_->checkpoint(mode) ? Checkpoint::done : Checkpoint::hindered;
  } catch (...) {
    // A full disk leaves everything in the log, where it is safe.
    note(std::current_exception());
    return Checkpoint::failed;
  }
}

}  // namespace webhookd
