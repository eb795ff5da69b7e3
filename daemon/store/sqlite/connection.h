#pragma once

// The C interface of SQLite behind RAII and exceptions.

#include <sqlite3.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/time.h"
#include "store/store.h"

namespace webhookd {

// A namespace of its own: the API's classes of the same names are linked into the same program.
inline namespace sqlite {

// Bound as a BLOB rather than as TEXT.
struct Blob {
  std::string_view bytes;
};

class Connection;

// A prepared statement with its values, at work. Gives the statement back when it goes. Columns
// count from 0 and are valid until the next step.
class Query {
 public:
  Query(Connection& connection, std::string_view sql);
  ~Query();
  Query(Query&& other) noexcept;
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  Query& operator=(Query&&) = delete;

  // True when there is a row. Throws StoreError, or std::logic_error for a statement that is wrong
  // or breaks a constraint.
  bool step();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  int small(int column) const;  // an integer that fits an int
  bool flag(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::string blob(int column) const;
  Timestamp time(int column) const;
  std::optional<std::int64_t> maybe_integer(int column) const;
  std::optional<std::string> maybe_text(int column) const;
  std::optional<Timestamp> maybe_time(int column) const;

  // Parameters count from 1. Text and blobs are copied unless `lifetime` says that they outlive
  // the statement's run.
  enum class Lifetime { copied, outlives };
  void bind(int index, std::integral auto value) {
    bind_integer(index, static_cast<std::int64_t>(value));
  }
  void bind(int index, double value);
  void bind(int index, std::nullopt_t);
  void bind(int index, Timestamp value) { bind_integer(index, unix_millis(value)); }
  void bind(int index, std::string_view value);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, const char* value) { bind(index, std::string_view(value)); }
  void bind(int index, Blob value);
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    if (value) {
      bind(index, *value);
    } else {
      bind(index, std::nullopt);
    }
  }
  template <typename... Values>
  void bind_all(Lifetime lifetime, const Values&... values) {
    lifetime_ = lifetime;
    int index = 0;
    (bind(++index, values), ...);
  }

 private:
  void bind_integer(int index, std::int64_t value);
  void check_bound(int code);
  sqlite3_destructor_type destructor() const;

  Connection* connection_;
  sqlite3_stmt* statement_ = nullptr;
  bool* lent_ = nullptr;  // the cache's mark; null: the statement is this query's own
  Lifetime lifetime_ = Lifetime::copied;
};

// One open database. For one thread at a time.
class Connection {
 public:
  enum class Role { writer, reader };

  // Throws StoreError; its text names the file.
  Connection(const std::filesystem::path& file, Role role);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  template <typename... Values>
  Query query(std::string_view sql, const Values&... values) {
    Query query(*this, sql);
    query.bind_all(Query::Lifetime::copied, values...);
    return query;
  }

  // Runs to the end; the number of rows that it changed.
  template <typename... Values>
  std::int64_t run(std::string_view sql, const Values&... values) {
    Query query(*this, sql);
    query.bind_all(Query::Lifetime::outlives, values...);
    while (query.step()) {
    }
    return sqlite3_changes64(handle_);
  }

  const std::filesystem::path& file() const { return file_; }

  // Several statements, not cached: schema and pragmas.
  void script(const std::string& sql);

  std::int64_t last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }
  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

  // Statements that still run then fail as StoreError unavailable. Readers only.
  void set_deadline(std::optional<Monotonic> deadline) { deadline_ = deadline; }

  // Pages in the write-ahead log after the last commit.
  int wal_pages() const { return wal_pages_; }
  // Moves what it can into the database file. False when a reader stood in the way of all of it.
  // Throws StoreError.
  bool checkpoint(int mode);
  // Whether a checkpoint waits a moment for reads that are under way, as it does at first.
  enum class Waiting { no, yes };
  void wait_for_readers(Waiting waiting);
  // The statements that it has been asked for so far.
  std::vector<std::string> known_statements() const;

  // What is in the log stays there when the connection closes.
  void keep_wal_on_close();

 private:
  friend class Query;

  struct Statement {
    sqlite3_stmt* handle = nullptr;
    bool lent = false;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  void configure(Role role);
  void require_wal();
  std::string answer_of(const char* pragma);
  sqlite3_stmt* prepare(std::string_view sql, unsigned flags);
  Statement& cached(std::string_view sql);
  // In WAL mode a transaction writes to the log, and only a checkpoint to the database.
  enum class Writes { to_log, to_database };
  int write_errno(Writes writes) const;
  [[noreturn]] void fail(int code, Writes writes = Writes::to_log) const;
  static int on_progress(void* self);
  static int on_commit(void* self, sqlite3* handle, const char* schema, int pages);

  std::filesystem::path file_;
  sqlite3* handle_ = nullptr;
  std::unordered_map<std::string, Statement, Hash, std::equal_to<>> statements_;
  std::optional<Monotonic> deadline_;
  int wal_pages_ = 0;
};

}  // namespace sqlite

}  // namespace webhookd
