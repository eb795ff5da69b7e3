#include <catch2/catch.hpp>

#include "shared/random.h"
#include "store/sqlite/kept_numbers.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/tally_log.h"
#include "store/sqlite/webhooks.h"
#include "store/sqlite/writer.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

std::int64_t rows_of(Connection& db, const std::string& table) {
  Query row = db.query("SELECT count(*) FROM " + table);
  row.step();
  return row.integer(0);
}

// A log over a database with three hundred webhooks, and a clock.
struct LogUnderTest {
  ScratchDirectory directory;
  SystemRandom random;
  Sealer sealer{SealingKey(std::string(32, 'k')), random};
  Connection db{directory.path() / "test.db", Connection::Role::writer};
  TallyLog log;
  Monotonic now{hours{1}};

  LogUnderTest() {
    migrate(db);
    Subscriptions subscriptions{3};
    StandingClaims standing;
    Tally tally;
    Tally group_tally;
    Transaction transaction{db, subscriptions, standing, tally, group_tally, sealer};
    db.run("BEGIN");
    subscriptions.refresh(db);
    for (int number = 1; number <= 300; ++number) {
      create_webhook(
          transaction,
          {webhook_id(number), settings_for("w" + std::to_string(number)), Secret{kSecretText}},
          {kStart, "test", "unix", "r"});
    }
    db.run("COMMIT");
  }

  // One pending delivery more at each.
  static Tally one_each(std::int64_t first, std::int64_t last) {
    Tally tally;
    for (std::int64_t seq = first; seq <= last; ++seq) {
      tally.count(seq, false, kPending, 1);
      ++tally.rollup(seq, kStart).created;
    }
    return tally;
  }
  void commit(const Tally& tally) {
    db.run("BEGIN IMMEDIATE");
    log.write(db, tally, now);
    db.run("COMMIT");
    log.committed(tally);
  }
  std::int64_t unfolded() { return rows_of(db, "tallies"); }
};

TEST_CASE("a commit leaves one row, and nothing where it changes no numbers") {
  LogUnderTest f;
  f.commit(LogUnderTest::one_each(1, 30));
  CHECK(f.unfolded() == 1);
  f.commit({});
  CHECK(f.unfolded() == 1);
  CHECK(rows_of(f.db, "counters") == 0);
  CHECK(rows_of(f.db, "rollups") == 0);
  CHECK(KeptNumbers(f.db).backlog(30) == 1);
  CHECK(KeptNumbers(f.db).backlog_of_all() == 30);
}

TEST_CASE("the changes of 64 commits are folded with those of the next") {
  LogUnderTest f;
  for (int number = 0; number < 64; ++number) f.commit(LogUnderTest::one_each(1, 2));
  CHECK(f.unfolded() == 64);
  CHECK(KeptNumbers(f.db).backlog(2) == 64);
  f.commit(LogUnderTest::one_each(1, 2));
  CHECK(f.unfolded() == 0);
  CHECK(rows_of(f.db, "counters") == 2);
  CHECK(rows_of(f.db, "rollups") == 4);
  CHECK(KeptNumbers(f.db).backlog(2) == 65);
  f.commit(LogUnderTest::one_each(1, 2));
  CHECK(f.unfolded() == 1);
}

TEST_CASE("changes are folded half a second later, also by a commit that has none") {
  LogUnderTest f;
  f.commit(LogUnderTest::one_each(1, 1));
  f.now += milliseconds{499};
  f.commit({});
  CHECK(f.unfolded() == 1);
  f.now += milliseconds{1};
  f.commit({});
  CHECK(f.unfolded() == 0);
  CHECK(KeptNumbers(f.db).backlog(1) == 1);
}

TEST_CASE("a change of many webhooks is written at once, with what was there before") {
  LogUnderTest f;
  f.commit(LogUnderTest::one_each(1, 1));
  f.commit(LogUnderTest::one_each(1, 200));
  CHECK(f.unfolded() == 0);
  CHECK(KeptNumbers(f.db).backlog(1) == 2);
  CHECK(KeptNumbers(f.db).backlog_of_all() == 201);
}

TEST_CASE("what many webhooks have got in several commits is folded before it is too much") {
  LogUnderTest f;
  for (int part = 0; part < 3; ++part) {
    f.commit(LogUnderTest::one_each(part * 100 + 1, part * 100 + 100));
  }
  CHECK(f.unfolded() == 3);
  f.commit(LogUnderTest::one_each(1, 1));
  CHECK(f.unfolded() == 0);
  CHECK(KeptNumbers(f.db).backlog_of_all() == 301);
}

TEST_CASE("what a lost transaction would have changed or folded is as it was") {
  LogUnderTest f;
  for (int number = 0; number < 64; ++number) f.commit(LogUnderTest::one_each(1, 1));
  f.db.run("BEGIN IMMEDIATE");
  f.log.write(f.db, LogUnderTest::one_each(1, 1), f.now);
  f.db.run("ROLLBACK");
  CHECK(f.unfolded() == 64);
  CHECK(KeptNumbers(f.db).backlog(1) == 64);
  // Folding has not fitted, so a while it is done without.
  f.log.lost();
  CHECK(f.log.has_put_off());
  f.log.lost();
  CHECK_FALSE(f.log.has_put_off());
  f.commit(LogUnderTest::one_each(1, 1));
  CHECK(f.unfolded() == 65);
  f.now += milliseconds{500};
  f.commit(LogUnderTest::one_each(1, 1));
  CHECK(f.unfolded() == 0);
  CHECK(KeptNumbers(f.db).backlog(1) == 66);
}

TEST_CASE("folding leaves nothing of a webhook whose row is gone") {
  LogUnderTest f;
  Tally tally = LogUnderTest::one_each(1, 2);
  tally.rollup(1, kStart).attempts = 1;
  f.commit(tally);
  f.db.run("DELETE FROM health WHERE webhook_seq = 1");
  f.db.run("DELETE FROM secrets WHERE webhook_seq = 1");
  f.db.run("DELETE FROM webhooks WHERE seq = 1");
  fold_tallies(f.db);
  CHECK(rows_of(f.db, "counters") == 1);
  CHECK(rows_of(f.db, "rollups") == 2);
  CHECK(KeptNumbers(f.db).backlog_of_all() == 1);
}

TEST_CASE("commits go on, with exact numbers, while there is no way to fold") {
  LogUnderTest f;
  const auto file = f.db.file();
  auto db = std::make_unique<Connection>(file, Connection::Role::writer);
  db->script(
      "CREATE TRIGGER no_way BEFORE INSERT ON counters BEGIN SELECT RAISE(ABORT, 'no'); END");
  Writer writer(std::move(db), f.sealer, 3, [](const std::string&) {});
  for (int number = 0; number < 100; ++number) {
    REQUIRE_NOTHROW(writer.write(1, [](Transaction& t) { t.tally.count(1, false, kPending, 1); }));
  }
  Connection reader(file, Connection::Role::reader);
  CHECK(KeptNumbers(reader).backlog(1) == 100);
  CHECK(rows_of(reader, "tallies") == 100);
  writer.write(1, [](Transaction& t) {
    t.db.script("DROP TRIGGER no_way");
    fold_tallies(t.db);
  });
  CHECK(rows_of(reader, "tallies") == 0);
  CHECK(KeptNumbers(reader).backlog(1) == 100);
}

struct StoreWithTraffic {
  ScratchDirectory directory;
  SystemRandom random;
  std::unique_ptr<Store> store = open_sqlite_store(options_for(directory.path()), random, kStart);
  int events = 0;

  StoreWithTraffic() {
    store->create_webhook({webhook_id(1), settings_for("a"), Secret{kSecretText}},
                          {kStart, "test", "unix", "r"});
  }
  void publish(int count) {
    for (int made = 0; made < count; ++made) {
      const NewEvent event = event_of("e" + std::to_string(++events));
      store->publish(std::span(&event, 1), kStart);
    }
  }
  std::int64_t rows(const std::string& table) const {
    Connection reader(directory.path() / "state/webhookd.db", Connection::Role::reader);
    return rows_of(reader, table);
  }
};

TEST_CASE("numbers are exact in what a kill leaves, and the next start folds them") {
  StoreWithTraffic f;
  f.publish(70);
  const ScratchDirectory copy;
  const auto from = f.directory.path() / "state";
  const auto to = copy.path() / "state";
  std::filesystem::create_directory(to);
  for (const char* file : {"webhookd.db", "webhookd.db-wal", "secret.key"}) {
    std::filesystem::copy_file(from / file, to / file);
  }
  {
    Connection reader(to / "webhookd.db", Connection::Role::reader);
    REQUIRE(rows_of(reader, "tallies") > 0);
  }
  const auto store = open_sqlite_store(options_for(copy.path()), f.random, kStart);
  Connection reader(to / "webhookd.db", Connection::Role::reader);
  CHECK(rows_of(reader, "tallies") == 0);
  CHECK(rows_of(reader, "event_spans") == 1);
  CHECK(store->find_webhook(webhook_id(1))->backlog == 70);
  CHECK(store->status().backlog == 70);
  CHECK(store->stats(webhook_id(1), hours{1}, kStart)->total == 70);
}

TEST_CASE("housekeeping folds what the last commits have left, and then writes nothing") {
  StoreWithTraffic f;
  f.publish(3);
  REQUIRE(f.rows("tallies") > 0);
  std::vector<WebhookId> changed;
  while (f.store->do_housekeeping(kStart, changed) == MoreWork::yes) {
  }
  CHECK(f.rows("tallies") == 0);
  CHECK(f.store->find_webhook(webhook_id(1))->backlog == 3);
  const auto written_at = [&] {
    return std::filesystem::last_write_time(f.directory.path() / "state/webhookd.db-wal");
  };
  const auto before = written_at();
  for (int second = 0; second < 3; ++second) {
    CHECK(f.store->do_housekeeping(kStart, changed) == MoreWork::no);
  }
  CHECK(written_at() == before);
}

TEST_CASE("numbers of before the upgrade are kept and go on") {
  const ScratchDirectory directory;
  SystemRandom random;
  const auto file = directory.path() / "state/webhookd.db";
  {
    const auto store = open_sqlite_store(options_for(directory.path()), random, kStart);
    store->create_webhook({webhook_id(1), settings_for("a"), Secret{kSecretText}},
                          {kStart, "test", "unix", "r"});
    const NewEvent event = event_of("before");
    store->publish(std::span(&event, 1), kStart);
    std::vector<WebhookId> changed;
    while (store->do_housekeeping(kStart, changed) == MoreWork::yes) {
    }
  }
  {
    Connection db(file, Connection::Role::writer);
    REQUIRE(rows_of(db, "tallies") == 0);
    db.script(
        "DROP TABLE clock_shifts; DROP TABLE tallies; ALTER TABLE attempts DROP COLUMN cancelled;"
        " PRAGMA user_version = 2");
  }
  const auto store = open_sqlite_store(options_for(directory.path()), random, kStart);
  CHECK(store->status().schema_version == std::to_string(newest_schema()));
  CHECK(store->find_webhook(webhook_id(1))->backlog == 1);
  const NewEvent event = event_of("after");
  store->publish(std::span(&event, 1), kStart);
  CHECK(store->find_webhook(webhook_id(1))->backlog == 2);
  CHECK(store->stats(webhook_id(1), hours{1}, kStart)->total == 2);
}

}  // namespace
}  // namespace webhookd::test
