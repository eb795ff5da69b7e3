#include "store/sqlite/connection.h"

#include <cassert>
#include <cerrno>
#include <limits>
#include <mutex>
#include <stdexcept>

#include "store/sqlite/log_file.h"

namespace webhookd {
namespace {

// A progress call costs little next to a thousand steps of SQLite's machine.
constexpr int kStepsBetweenDeadlineChecks = 1000;
constexpr int kWriterBusyMillis = 200;  // how long a restart of the log waits for readers

void configure_library_once() {
  static std::once_flag once;
  // Without it every allocation of every connection takes one global lock.
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

// `write_errno`: of the write that failed, when it was one.
StoreError::Kind kind_of_io_error(int code, int write_errno) {
  switch (code) {
    case SQLITE_IOERR_WRITE:  // SQLite itself calls ENOSPC full, and no quota
      return write_errno == EDQUOT ? StoreError::Kind::full : StoreError::Kind::broken;
    case SQLITE_IOERR_SHMSIZE:  // the log's index could not grow: nothing was written
      return StoreError::Kind::full;
    case SQLITE_IOERR_NOMEM:
    case SQLITE_IOERR_BLOCKED:
    case SQLITE_IOERR_LOCK:
      return StoreError::Kind::unavailable;
    default:  // a failed fsync above all, also one that had no space
      return StoreError::Kind::broken;
  }
}

std::optional<StoreError::Kind> kind_of(int code, int write_errno) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return StoreError::Kind::full;
    case SQLITE_IOERR:
      return kind_of_io_error(code, write_errno);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_READONLY:
      return StoreError::Kind::broken;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
      return StoreError::Kind::unavailable;
    default:
      return std::nullopt;
  }
}

}  // namespace

// ---- Query ----------------------------------------------------------------------------------

Query::Query(Connection& connection, std::string_view sql) : connection_(&connection) {
  Connection::Statement& cached = connection.cached(sql);
  if (cached.lent) {
    statement_ = connection.prepare(sql, 0);
    return;
  }
  cached.lent = true;
  lent_ = &cached.lent;
  statement_ = cached.handle;
}

Query::Query(Query&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      lent_(std::exchange(other.lent_, nullptr)),
      lifetime_(other.lifetime_) {}

Query::~Query() {
  if (statement_ == nullptr) return;
  if (lent_ == nullptr) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  *lent_ = false;
}

bool Query::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) connection_->fail(code);
  return false;
}

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_, column); }

int Query::small(int column) const { return sqlite3_column_int(statement_, column); }

bool Query::flag(int column) const { return sqlite3_column_int(statement_, column) != 0; }

double Query::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Query::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  const int length = sqlite3_column_bytes(statement_, column);
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(length)};
}

std::string Query::blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  const int length = sqlite3_column_bytes(statement_, column);
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(length)};
}

Timestamp Query::time(int column) const { return from_unix_millis(integer(column)); }

std::optional<std::int64_t> Query::maybe_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

std::optional<std::string> Query::maybe_text(int column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

std::optional<Timestamp> Query::maybe_time(int column) const {
  if (is_null(column)) return std::nullopt;
  return time(column);
}

void Query::check_bound(int code) {
  if (code != SQLITE_OK) connection_->fail(code);
}

sqlite3_destructor_type Query::destructor() const {
  return lifetime_ == Lifetime::outlives ? SQLITE_STATIC : SQLITE_TRANSIENT;
}

void Query::bind_integer(int index, std::int64_t value) {
  check_bound(sqlite3_bind_int64(statement_, index, value));
}

void Query::bind(int index, double value) {
  check_bound(sqlite3_bind_double(statement_, index, value));
}

void Query::bind(int index, std::nullopt_t) { check_bound(sqlite3_bind_null(statement_, index)); }

void Query::bind(int index, std::string_view value) {
  // A null pointer would bind NULL.
  const char* start = value.data() == nullptr ? "" : value.data();
  check_bound(
      sqlite3_bind_text64(statement_, index, start, value.size(), destructor(), SQLITE_UTF8));
}

void Query::bind(int index, Blob value) {
  const char* start = value.bytes.data() == nullptr ? "" : value.bytes.data();
  check_bound(sqlite3_bind_blob64(statement_, index, start, value.bytes.size(), destructor()));
}

// ---- Connection -----------------------------------------------------------------------------

Connection::Connection(const std::filesystem::path& file, Role role) : file_(file) {
  configure_library_once();
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (role == Role::writer) flags |= SQLITE_OPEN_CREATE;
  const char* const vfs = role == Role::writer ? log_gathering_vfs() : nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle_, flags, vfs);
  try {
    if (code != SQLITE_OK) fail(code);
    configure(role);
  } catch (const StoreError& error) {
    sqlite3_close(handle_);
    throw StoreError(error.kind(), "cannot open " + file.string() + ": " + error.what());
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

Connection::~Connection() {
  for (auto& [sql, statement] : statements_) {
    assert(!statement.lent);
    sqlite3_finalize(statement.handle);
  }
  const int code = sqlite3_close(handle_);
  assert(code == SQLITE_OK);
  static_cast<void>(code);
}

void Connection::configure(Role role) {
  if (role == Role::reader) {
    script(
        "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0;"
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4000;");
    keep_wal_on_close();
    sqlite3_progress_handler(handle_, kStepsBetweenDeadlineChecks, &Connection::on_progress, this);
    return;
  }
  wait_for_readers(Waiting::yes);
  // FULL: a 202 must survive power loss. A foreign key check is a look-up in a page that is at
  // hand.
  script(
      "PRAGMA page_size = 4096; PRAGMA synchronous = FULL;"
      "PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST;"
      "PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -32000; PRAGMA journal_size_limit = 67108864;");
  // It only takes before the first table, and would be written again at every start otherwise.
  if (answer_of("PRAGMA auto_vacuum") != "2") script("PRAGMA auto_vacuum = INCREMENTAL");
  require_wal();
  sqlite3_wal_hook(handle_, &Connection::on_commit, this);
}

// Some file systems cannot hold the log's index; SQLite then goes on in another mode.
void Connection::require_wal() {
  if (answer_of("PRAGMA journal_mode = WAL") != "wal") {
    throw StoreError(StoreError::Kind::unavailable,
                     "its file system cannot hold a write-ahead log; choose a local one");
  }
}

std::string Connection::answer_of(const char* pragma) {
  std::string answer;
  const auto keep = [](void* kept, int, char** values, char**) {
    *static_cast<std::string*>(kept) = values[0];
    return 0;
  };
  const int code = sqlite3_exec(handle_, pragma, keep, &answer, nullptr);
  if (code != SQLITE_OK) fail(code);
  return answer;
}

void Connection::script(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

bool Connection::checkpoint(int mode) {
  int in_log = 0;
  int moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(handle_, nullptr, mode, &in_log, &moved);
  if (code == SQLITE_BUSY) return false;
  if (code != SQLITE_OK) fail(code, Writes::to_database);
  return in_log == moved;
}

void Connection::wait_for_readers(Waiting waiting) {
  sqlite3_busy_timeout(handle_, waiting == Waiting::yes ? kWriterBusyMillis : 0);
}

void Connection::keep_wal_on_close() {
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

std::vector<std::string> Connection::known_statements() const {
  std::vector<std::string> all;
  for (const auto& [sql, statement] : statements_) all.push_back(sql);
  return all;
}

sqlite3_stmt* Connection::prepare(std::string_view sql, unsigned flags) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), flags,
                                      &statement, nullptr);
  if (code != SQLITE_OK) fail(code);
  return statement;
}

Connection::Statement& Connection::cached(std::string_view sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second;
  sqlite3_stmt* handle = prepare(sql, SQLITE_PREPARE_PERSISTENT);
  return statements_.emplace(std::string(sql), Statement{handle, false}).first->second;
}

// sqlite3_system_errno would not do: it keeps the errno of an earlier failure when a commit fails.
int Connection::write_errno(Writes writes) const {
  sqlite3_file* file = nullptr;
  const int which =
      writes == Writes::to_database ? SQLITE_FCNTL_FILE_POINTER : SQLITE_FCNTL_JOURNAL_POINTER;
  int failed_with = 0;
  if (sqlite3_file_control(handle_, "main", which, &file) != SQLITE_OK || file == nullptr ||
      file->pMethods == nullptr) {
    return 0;
  }
  file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &failed_with);
  return failed_with;
}

void Connection::fail(int code, Writes writes) const {
  const std::string text = handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_);
  const auto kind = kind_of(code, code == SQLITE_IOERR_WRITE ? write_errno(writes) : 0);
  if (!kind) throw std::logic_error("store: " + text);
  if ((code & 0xff) == SQLITE_INTERRUPT) {
    throw StoreError(*kind, "the store gave up a read that took too long");
  }
  throw StoreError(*kind, "store: " + text);
}

int Connection::on_progress(void* self) {
  const auto& deadline = static_cast<Connection*>(self)->deadline_;
  return deadline && std::chrono::steady_clock::now() > *deadline ? 1 : 0;
}

int Connection::on_commit(void* self, sqlite3*, const char*, int pages) {
  static_cast<Connection*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

}  // namespace webhookd
