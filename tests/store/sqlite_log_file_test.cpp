#include <catch2/catch.hpp>

#include "store/faulty_disk.h"
#include "store/sqlite/connection.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

struct LogFiles {
  ScratchDirectory directory;
  FaultyDisk disk;
  Connection writer{directory.path() / "f.db", Connection::Role::writer};
  Connection reader{directory.path() / "f.db", Connection::Role::reader};

  LogFiles() { writer.script("CREATE TABLE t(id INTEGER PRIMARY KEY, text)"); }

  void insert(int first, int last, std::size_t size) {
    for (int id = first; id <= last; ++id) {
      writer.run("INSERT INTO t VALUES(?1, ?2)", id,
                 std::string(size, static_cast<char>('a' + id % 26)));
    }
  }
  static std::int64_t whole_rows(Connection& db, std::size_t size) {
    Query rows = db.query("SELECT id, text FROM t");
    std::int64_t whole = 0;
    while (rows.step()) {
      const char letter = static_cast<char>('a' + rows.integer(0) % 26);
      whole += rows.text(1) == std::string(size, letter) ? 1 : 0;
    }
    return whole;
  }
  std::string integrity() {
    Query check = reader.query("PRAGMA integrity_check");
    check.step();
    return check.text(0);
  }
};

TEST_CASE("a commit is written to the log in one piece, before others can read it") {
  LogFiles f;
  for (int round = 0; round < 5; ++round) {
    f.writer.run("BEGIN IMMEDIATE");
    f.insert(round * 20 + 1, round * 20 + 20, 2000);
    const int before = f.disk.log_writes();
    f.writer.run("COMMIT");
    CHECK(f.disk.log_writes() == before + 1);
    CHECK(LogFiles::whole_rows(f.reader, 2000) == round * 20 + 20);
  }
}

TEST_CASE("a transaction that is larger than what is gathered reaches the log whole") {
  LogFiles f;
  f.writer.run("BEGIN IMMEDIATE");
  f.insert(1, 30, 100'000);
  f.writer.run("COMMIT");
  CHECK(LogFiles::whole_rows(f.reader, 100'000) == 30);
  CHECK(f.integrity() == "ok");
}

TEST_CASE("pages that leave the cache amid a transaction are read back and written again") {
  LogFiles f;
  f.writer.script("PRAGMA cache_size = 10");
  f.writer.run("BEGIN IMMEDIATE");
  f.insert(1, 300, 1000);
  CHECK(LogFiles::whole_rows(f.writer, 1000) == 300);
  for (int round = 0; round < 3; ++round) {
    f.writer.run("UPDATE t SET text = text || text WHERE id % 7 = ?1", round);
    f.writer.run("UPDATE t SET text = substr(text, 1, 1000)");
    CHECK(LogFiles::whole_rows(f.writer, 1000) == 300);
  }
  CHECK(LogFiles::whole_rows(f.reader, 1000) == 0);
  f.writer.run("COMMIT");
  CHECK(LogFiles::whole_rows(f.reader, 1000) == 300);
  CHECK(f.integrity() == "ok");
}

TEST_CASE(
    "pages that cannot reach the log when they are read again take the transaction with them") {
  LogFiles f;
  f.insert(1000, 1002, 1000);
  f.writer.script("PRAGMA cache_size = 10");
  f.writer.run("BEGIN IMMEDIATE");
  f.insert(1, 300, 1000);
  f.writer.run("SAVEPOINT request");
  f.disk.set(FaultyDisk::Fault::full);
  StoreError::Kind kind = StoreError::Kind::broken;
  try {
    f.writer.run("UPDATE t SET text = substr(text || text, 1, 1000)");
  } catch (const StoreError& error) {
    kind = error.kind();
  }
  CHECK(kind == StoreError::Kind::full);
  CHECK_FALSE(f.writer.in_transaction());
  f.disk.set(FaultyDisk::Fault::none);
  if (f.writer.in_transaction()) {
    f.writer.run("ROLLBACK TO request");
    f.writer.run("COMMIT");
  }
  CHECK(LogFiles::whole_rows(f.reader, 1000) == 3);
  CHECK(f.integrity() == "ok");
}

TEST_CASE("a commit that does not reach the log is undone, and the next is whole") {
  LogFiles f;
  f.insert(1, 3, 2000);
  f.disk.set(FaultyDisk::Fault::full);
  f.writer.run("BEGIN IMMEDIATE");
  f.insert(4, 40, 2000);
  StoreError::Kind kind = StoreError::Kind::broken;
  try {
    f.writer.run("COMMIT");
  } catch (const StoreError& error) {
    kind = error.kind();
  }
  CHECK(kind == StoreError::Kind::full);
  if (f.writer.in_transaction()) f.writer.run("ROLLBACK");
  f.disk.set(FaultyDisk::Fault::none);
  CHECK(LogFiles::whole_rows(f.writer, 2000) == 3);
  f.insert(41, 44, 2000);
  CHECK(LogFiles::whole_rows(f.reader, 2000) == 7);
  CHECK(f.integrity() == "ok");
}

}  // namespace
}  // namespace webhookd::test
