#include <atomic>
#include <catch2/catch.hpp>
#include <latch>
#include <thread>

#include "shared/random.h"
#include "store/sqlite/kept_numbers.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/readers.h"
#include "store/sqlite/writer.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

// A writer over a database with one table of its own.
struct WriterUnderTest {
  ScratchDirectory directory;
  std::filesystem::path file = directory.path() / "test.db";
  SystemRandom random;
  Sealer sealer{SealingKey(std::string(32, 'k')), random};
  Writer writer{connection(), sealer, 3, [](const std::string&) {}};

  std::unique_ptr<Connection> connection() const {
    auto db = std::make_unique<Connection>(file, Connection::Role::writer);
    migrate(*db);
    db->script("CREATE TABLE pad(text TEXT NOT NULL)");
    return db;
  }
  void insert(const std::string& text) {
    writer.write(text.size(),
                 [&](Transaction& t) { t.db.run("INSERT INTO pad VALUES(?1)", text); });
  }
  std::int64_t count(const std::string& text) {
    Connection reader(file, Connection::Role::reader);
    Query row = reader.query("SELECT count(*) FROM pad WHERE text = ?1", text);
    row.step();
    return row.integer(0);
  }
};

TEST_CASE("a request that throws fails alone and undoes only what is its own") {
  WriterUnderTest w;
  std::atomic<int> kept{0};
  std::atomic<int> refused{0};
  std::latch start(16);
  std::vector<std::thread> threads;
  for (int number = 0; number < 16; ++number) {
    threads.emplace_back([&, number] {
      start.arrive_and_wait();
      try {
        w.writer.write(10, [&](Transaction& t) {
          t.db.run("INSERT INTO pad VALUES(?1)", number % 2 == 0 ? "good" : "bad");
          if (number % 2 != 0) throw std::runtime_error("refused");
        });
        ++kept;
      } catch (const std::runtime_error&) {
        ++refused;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(kept == 8);
  CHECK(refused == 8);
  CHECK(w.count("good") == 8);
  CHECK(w.count("bad") == 0);
}

TEST_CASE("requests that wait together share a transaction") {
  WriterUnderTest w;
  std::latch entered(1);
  std::latch go(1);
  std::thread first([&] {
    w.writer.write(1, [&](Transaction&) {
      entered.count_down();
      go.wait();
    });
  });
  entered.wait();
  std::atomic<int> running{0};
  std::atomic<int> in_one_transaction{0};
  std::vector<std::thread> others;
  for (int number = 0; number < 4; ++number) {
    others.emplace_back([&] {
      ++running;
      w.writer.write(1, [&](Transaction& t) {
        // Rows that earlier requests of the same group have written, not committed yet.
        t.db.run("INSERT INTO pad VALUES('group')");
        Connection reader(w.file, Connection::Role::reader);
        Query outside = reader.query("SELECT count(*) FROM pad WHERE text = 'group'");
        outside.step();
        Query inside = t.db.query("SELECT count(*) FROM pad WHERE text = 'group'");
        inside.step();
        if (inside.integer(0) - outside.integer(0) > 1) ++in_one_transaction;
      });
    });
  }
  while (running < 4) std::this_thread::yield();
  // The counter is raised just before they queue; the writer stays busy a moment longer.
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  go.count_down();
  first.join();
  for (auto& other : others) other.join();
  CHECK(w.count("group") == 4);
  CHECK(in_one_transaction >= 1);
}

TEST_CASE("one request that does not fit on the disk does not fail the others of its group") {
  WriterUnderTest w;
  std::latch entered(1);
  std::latch go(1);
  std::thread first([&] {
    w.writer.write(1, [&](Transaction& t) {
      t.db.script("PRAGMA max_page_count = 200");
      entered.count_down();
      go.wait();
    });
  });
  entered.wait();
  std::atomic<int> kept{0};
  std::atomic<int> full{0};
  std::vector<std::thread> others;
  for (int number = 0; number < 6; ++number) {
    others.emplace_back([&, number] {
      try {
        w.insert(number == 3 ? std::string(2'000'000, 'x') : "small");
        ++kept;
      } catch (const StoreError& error) {
        if (error.kind() == StoreError::Kind::full) ++full;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  go.count_down();
  first.join();
  for (auto& other : others) other.join();
  CHECK(kept == 5);
  CHECK(full == 1);
  CHECK(w.count("small") == 5);
}

TEST_CASE("a tally is undone with the request that made it") {
  WriterUnderTest w;
  const auto add = [](Transaction& t, bool fail) {
    if (t.subscriptions.find(webhook_id(1)) == nullptr) {
      t.db.run(
          "INSERT INTO webhooks(seq, id, shard, name, url, events, status, headers,"
          " timeout_seconds, max_in_flight, ordered, metadata, secret_hint, secret_fingerprint,"
          " created_at, updated_at) VALUES(1, ?1, 0, 'a', 'u', '[]', 0, x'', 1, 1, 0, '{}', '',"
          " '', 0, 0)",
          webhook_id(1).value);
      t.subscriptions.reload(t.db, 1);
    }
    t.tally.count(1, false, DeliveryStatus::pending, 1);
    if (fail) throw std::runtime_error("refused");
  };
  CHECK_THROWS(w.writer.write(1, [&](Transaction& t) { add(t, true); }));
  w.writer.write(1, [&](Transaction& t) { add(t, false); });
  CHECK_THROWS(w.writer.write(1, [&](Transaction& t) { add(t, true); }));
  Connection reader(w.file, Connection::Role::reader);
  CHECK(KeptNumbers(reader).backlog(1) == 1);
  w.writer.write(1, [](Transaction& t) { fold_tallies(t.db); });
  Query row = reader.query("SELECT sum(count) FROM counters");
  row.step();
  CHECK(row.integer(0) == 1);
}

TEST_CASE("batches from 32 threads are each there in full, with their counts") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  std::atomic<int> stored{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 32; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 5; ++round) {
        std::vector<NewEvent> events;
        for (int index = 0; index < 3; ++index) {
          events.push_back(event_of("e_" + std::to_string(thread) + "_" + std::to_string(round) +
                                    "_" + std::to_string(index)));
        }
        // Every second batch conflicts with its own first event and must leave nothing.
        if (round % 2 == 1) {
          events.push_back(events.front());
          events.back().content_hash = std::string(32, 'x');
        }
        if (f.store().publish(events, f.now).stored) ++stored;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(stored == 96);
  CHECK(f.found(webhook.id).backlog == 288);
  CHECK(f.list(webhook.id).total == 288);
  CHECK(f.store().find_events("e_7_1_0").empty());
  CHECK(f.store().find_events("e_7_2_2").size() == 1);
}

TEST_CASE("readers go on while others write, each on one state of the store") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  std::atomic<bool> stop{false};
  std::atomic<int> mixed{0};
  std::vector<std::thread> readers;
  for (int number = 0; number < 6; ++number) {
    readers.emplace_back([&] {
      while (!stop) {
        const DeliveryPage page = f.list(webhook.id);
        if (page.total < 200 && page.total != static_cast<std::int64_t>(page.items.size())) {
          ++mixed;
        }
      }
    });
  }
  for (int round = 0; round < 50; ++round) f.publish_many(3);
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(mixed == 0);
  CHECK(f.list(webhook.id).total == 150);
}

TEST_CASE("a log that a read has kept from starting over holds lists back until it does") {
  WriterUnderTest w;
  const std::string megabyte(1'000'000, 'x');
  Connection reader(w.file, Connection::Role::reader);
  reader.run("BEGIN");
  { reader.query("SELECT count(*) FROM pad").step(); }
  for (int number = 0; number < 140; ++number) w.insert(megabyte);
  // What a request has brought about is there at the latest when the next one begins.
  w.writer.write(1, [&](Transaction&) { CHECK(w.writer.holds_lists_back()); });
  reader.run("ROLLBACK");
  for (int number = 0; number < 3; ++number) w.insert(megabyte);
  w.writer.write(1, [&](Transaction&) { CHECK_FALSE(w.writer.holds_lists_back()); });
  const auto size = std::filesystem::file_size(w.file.string() + "-wal");
  for (int number = 0; number < 10; ++number) w.insert(megabyte);
  w.writer.write(1, [](Transaction&) {});
  CHECK(std::filesystem::file_size(w.file.string() + "-wal") <= size);
}

TEST_CASE("a read that takes too long is given up") {
  WriterUnderTest w;
  Connection reader(w.file, Connection::Role::reader);
  reader.set_deadline(std::chrono::steady_clock::now() - std::chrono::seconds{1});
  const auto endless = [&] {
    Query query = reader.query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n");
    query.step();
  };
  CHECK_THROWS_WITH(endless(), Catch::Contains("too long"));
}

TEST_CASE("a reader cannot write") {
  WriterUnderTest w;
  Connection reader(w.file, Connection::Role::reader);
  CHECK_THROWS(reader.run("INSERT INTO pad VALUES('x')"));
}

}  // namespace
}  // namespace webhookd::test
