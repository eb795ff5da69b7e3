#include <catch2/catch.hpp>

#include "shared/random.h"
#include "store/sqlite/events.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/replay.h"
#include "store/sqlite/upkeep.h"
#include "store/sqlite/webhooks.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// A connection with one webhook that wants everything, and publishing in groups.
struct Spans {
  ScratchDirectory directory;
  SystemRandom random;
  Sealer sealer{SealingKey(std::string(32, 'k')), random};
  Connection db{directory.path() / "test.db", Connection::Role::writer};
  Subscriptions subscriptions{3};
  StandingClaims standing;
  Tally tally;
  Tally group_tally;
  Transaction transaction{db, subscriptions, standing, tally, group_tally, sealer};
  ChangeContext context{kStart, "test", "unix", "r"};
  int events = 0;

  Spans() {
    migrate(db);
    subscriptions.refresh(db);
    create_webhook(transaction, {webhook_id(1), settings_for("a"), Secret{kSecretText}}, context);
  }

  // As one group of the writer.
  void publish_group(int count, Timestamp now) {
    std::vector<NewEvent> group;
    for (int made = 0; made < count; ++made) {
      group.push_back(event_of("e" + std::to_string(++events)));
    }
    db.run("BEGIN IMMEDIATE");
    publish(transaction, group, now);
    tally.write_to(db);
    db.run("COMMIT");
    tally.clear();
  }
  std::vector<Ids> all() {
    std::vector<Ids> spans;
    Query rows = db.query("SELECT start, first_seq, last_seq FROM event_spans ORDER BY first_seq");
    while (rows.step()) {
      spans.push_back({(rows.integer(0) - span_start(kStart, kFineSeconds)) / 300'000,
                       rows.integer(1), rows.integer(2)});
    }
    return spans;
  }
};

TEST_CASE("events of five minutes make one row, however many groups they come in") {
  Spans f;
  f.publish_group(2, kStart);
  f.publish_group(3, kStart);
  CHECK(f.all() == std::vector<Ids>{{0, 1, 5}});
  f.publish_group(1, kStart + minutes{5});
  CHECK(f.all() == std::vector<Ids>{{0, 1, 5}, {1, 6, 6}});
}

TEST_CASE("a clock that was set back begins a span anew behind many events") {
  Spans f;
  f.publish_group(1, kStart);
  f.publish_group(1, kStart + hours{1});
  // Near by, the old span may as well grow.
  f.publish_group(1, kStart);
  CHECK(f.all() == std::vector<Ids>{{0, 1, 3}, {12, 2, 2}});
  f.publish_group(11'000, kStart + hours{1});
  f.publish_group(1, kStart);
  CHECK(f.all() == std::vector<Ids>{{0, 1, 3}, {12, 2, 11'003}, {0, 11'004, 11'004}});
}

TEST_CASE("spans go once their events have gone") {
  Spans f;
  f.publish_group(2, kStart);
  f.publish_group(2, kStart + minutes{5});
  f.db.run("DELETE FROM deliveries WHERE event_seq <= 2");
  f.db.run("DELETE FROM events WHERE seq <= 2");
  remove_old_spans(f.transaction);
  CHECK(f.all() == std::vector<Ids>{{1, 3, 4}});
}

TEST_CASE("an event that was removed after it was found is skipped") {
  Spans f;
  f.publish_group(3, kStart);
  ReplayBatch batch;
  batch.webhook = webhook_id(1);
  batch.since = kStart;
  const FoundEvents found = find_events_to_replay(f.db, batch);
  f.db.run("DELETE FROM deliveries WHERE event_seq = 2");
  f.db.run("DELETE FROM events WHERE seq = 2");
  const ReplayResult result = replay_batch(f.transaction, batch, found, {}, f.context);
  CHECK(result.sum.matched == 3);
  CHECK(result.sum.changed == 2);
  CHECK(result.sum.skipped == 1);
}

TEST_CASE("a replay looks at no events of other times") {
  Spans f;
  for (int hour = 0; hour < 30; ++hour) f.publish_group(1000, kStart + hours{hour});
  ReplayBatch batch;
  batch.webhook = webhook_id(1);
  batch.since = kStart + hours{28};
  batch.until = kStart + hours{29};
  // It would come back in between if it had walked past 28,000.
  batch.limit = 1000;
  const FoundEvents found = find_events_to_replay(f.db, batch);
  CHECK(found.seqs.size() == 1000);
  CHECK_FALSE(found.more);
}

TEST_CASE("events of before the upgrade are found by their time") {
  const ScratchDirectory directory;
  Connection db(directory.path() / "test.db", Connection::Role::writer);
  migrate(db, 1);
  for (const Timestamp at : {kStart, kStart + minutes{1}, kStart + hours{1}}) {
    db.run(
        "INSERT INTO events(event_id, type, accepted_at, content_hash, deliveries, test, body)"
        " VALUES(hex(randomblob(8)), 'user.created', ?1, x'', 0, 0, '{}')",
        at);
  }
  migrate(db);
  std::vector<Ids> spans;
  Query rows = db.query("SELECT first_seq, last_seq FROM event_spans ORDER BY start");
  while (rows.step()) spans.push_back({rows.integer(0), rows.integer(1)});
  CHECK(spans == std::vector<Ids>{{1, 2}, {3, 3}});
}

}  // namespace
}  // namespace webhookd::test
