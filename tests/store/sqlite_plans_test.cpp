#include <catch2/catch.hpp>
#include <functional>

#include "shared/random.h"
#include "store/sqlite/delivery_rows.h"
#include "store/sqlite/events.h"
#include "store/sqlite/finished_attempts.h"
#include "store/sqlite/lists.h"
#include "store/sqlite/many.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/queue.h"
#include "store/sqlite/record.h"
#include "store/sqlite/replay.h"
#include "store/sqlite/retention.h"
#include "store/sqlite/stats.h"
#include "store/sqlite/tally_log.h"
#include "store/sqlite/upkeep.h"
#include "store/sqlite/webhooks.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

// A connection on which every path of the store can be walked, to see how its statements run.
struct Walk {
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

  Walk() {
    migrate(db);
    subscriptions.refresh(db);
    WebhookSettings ordered = settings_for("ordered");
    ordered.ordered = true;
    create_webhook(transaction, {webhook_id(1), settings_for("plain"), Secret{kSecretText}},
                   context);
    create_webhook(transaction, {webhook_id(2), ordered, Secret{kSecretText}}, context);
  }

  void turn() {
    QueueTurn turn;
    for (int number = 1; number <= 2; ++number) {
      turn.claims.push_back({webhook_id(number), 1, Claimable::any});
      turn.claims.push_back({webhook_id(number), 1, Claimable::manual_only});
    }
    const QueueTurnResult claimed = make_turn(transaction, turn, kStart);
    turn = {};
    for (const Claim& claim : claimed.claims) {
      for (const ClaimedDelivery& delivery : claim.deliveries) {
        turn.results.push_back(result_of(claim.webhook, delivery, DeliveryStatus::failed, kStart));
      }
    }
    turn.health.push_back({webhook_id(1), {}});
    turn.shifts.push_back({webhook_id(1), std::chrono::seconds{9}, kStart, {}, std::nullopt});
    turn.shifts.push_back({webhook_id(1), std::chrono::seconds{-9}, kStart, {}, std::nullopt});
    make_turn(transaction, turn, kStart);
  }

  void lists() {
    for (const auto status :
         {DeliveryStatus::pending, DeliveryStatus::in_flight, DeliveryStatus::succeeded,
          DeliveryStatus::failed, DeliveryStatus::cancelled}) {
      DeliveryFilter filter;
      filter.status = status;
      list_deliveries(db, filter, {});
      filter.webhook_id = webhook_id(1);
      filter.event_type = "user.created";
      list_deliveries(db, filter, {});
    }
    DeliveryFilter filter;
    list_deliveries(db, filter, {});
    filter.webhook_id = webhook_id(1);
    list_deliveries(db, filter, {});
    filter.events_visible_to.tenant_id = "t1";
    list_deliveries(db, filter, {});
    filter.since = kStart;
    filter.response_status = {500, 599};
    list_deliveries(db, filter, {});
    load_detail(db, DeliveryId{1});
  }

  void many() {
    for (const auto status : {DeliveryStatus::succeeded, DeliveryStatus::failed}) {
      DeliveryBatch batch;
      batch.filter.webhook_id = webhook_id(1);
      batch.filter.status = status;
      change_batch(transaction, batch, find_batch(db, batch), {}, context);
      batch.filter.event_type = "user.created";
      batch.filter.events_visible_to.tenant_id = "";
      batch.filter.since = kStart;
      batch.filter.response_status = {500, 599};
      find_batch(db, batch);
    }
    ReplayBatch batch;
    batch.webhook = webhook_id(1);
    batch.since = kStart;
    batch.missed_only = true;
    batch.replay_id = "r";
    batch.dry_run = DryRun::yes;
    replay_batch(transaction, batch, find_events_to_replay(db, batch), {}, context);
    batch.missed_only = false;
    batch.dry_run = DryRun::no;
    replay_batch(transaction, batch, find_events_to_replay(db, batch), {}, context);
    remove_old_spans(transaction);
  }

  void retention() {
    const Retention kept;
    const Timestamp later = kStart + std::chrono::hours{24 * 100};
    remove_ended(transaction, {1, 2}, kept, later);
    find_ended(db, 0, kept, later);
    remove_unused_events(db, {1, 2}, kept, later);
    find_unused_events(db, 0, kept, later);
    remove_old_audit(db, {1, 2}, kept, later);
    find_old_audit(db, 0, kept, later);
    find_overdue(db, kept, later);
    std::vector<WebhookId> changed;
    expire_overdue(transaction, 1, kept, later, changed);
    has_space_to_give(db);
  }

  void everything() {
    const std::vector<NewEvent> events{event_of("e1"), event_of("e2"), event_of("e3")};
    publish(transaction, events, kStart);
    turn();
    retry_delivery(transaction, webhook_id(1), DeliveryId{1}, RetrySucceeded::allow, context);
    retry_delivery(transaction, webhook_id(2), DeliveryId{2}, RetrySucceeded::allow, context);
    turn();
    TallyLog log;
    log.write(db, tally, {});
    lists();
    fold_tallies(db);
    many();
    deliveries_of(db, find_events(db, "e1").at(0));
    load_attempts_after(db, AttemptId{1}, 10);
    find_attempt_before(db, kStart);
    load_stats(db, sealer, webhook_id(1), std::chrono::hours{24}, kStart);
    load_status(db, directory.path() / "test.db");
    load_endpoint(db, sealer, webhook_id(2));
    begin_test(transaction, webhook_id(1), event_of("t", "webhook.test"), context);
    std::vector<WebhookId> changed;
    recover_in_flight(transaction, find_in_flight(db), kStart, changed);
    disable_webhook(transaction, 2, std::nullopt, kStart);
    rebind_queue(transaction, 1, kStart);
    lists();
    settle_left_over(transaction, kStart, changed);
    end_leases(transaction, kStart, changed);
    delete_webhook(transaction, webhook_id(2), context);
    remove_deleted(transaction, kStart);
    retention();
    remove_old_rollups(transaction, kStart);
  }

  std::vector<std::string> plan_of(const std::string& sql) {
    std::vector<std::string> steps;
    Query rows = db.query("EXPLAIN QUERY PLAN " + sql);
    while (rows.step()) steps.push_back(rows.text(3));
    return steps;
  }
};

bool explains(const std::string& sql) {
  return sql.rfind("SELECT", 0) == 0 || sql.rfind("UPDATE", 0) == 0 || sql.rfind("DELETE", 0) == 0;
}

TEST_CASE("no statement scans or sorts a table that grows with traffic") {
  Walk walk;
  walk.everything();
  int explained = 0;
  for (const std::string& sql : walk.db.known_statements()) {
    if (!explains(sql)) continue;
    ++explained;
    CAPTURE(sql);
    for (const std::string& step : walk.plan_of(sql)) {
      CAPTURE(step);
      CHECK(step.find("TEMP B-TREE") == std::string::npos);
      // Lists across all webhooks walk down the ids and stop at the page's end.
      const bool walks_ids = sql.find("d NOT INDEXED") != std::string::npos && step == "SCAN d";
      for (const char* grows : {"deliveries", "d", "events", "e", "attempts", "rollups", "r"}) {
        CHECK((walks_ids || step.rfind("SCAN " + std::string(grows) + " ", 0) != 0));
        CHECK((walks_ids || step != "SCAN " + std::string(grows)));
      }
    }
  }
  CHECK(explained > 40);
}

TEST_CASE("each question to the queue is answered by its own index") {
  Walk walk;
  walk.everything();
  const auto uses = [&](const std::string& part, const std::string& expected) {
    bool found = false;
    for (const std::string& sql : walk.db.known_statements()) {
      if (!explains(sql) || sql.find(part) == std::string::npos) continue;
      const auto steps = walk.plan_of(sql);
      CAPTURE(sql, steps);
      CHECK(steps.at(0).find(expected) != std::string::npos);
      found = true;
    }
    CAPTURE(part);
    CHECK(found);
  };
  uses("d.next_attempt_at <= ?3 ORDER BY d.next_attempt_at, d.id LIMIT ?4", "webhook_seq=? AND");
  uses("SELECT next_attempt_at FROM deliveries INDEXED BY deliveries_due",
       "deliveries_due (webhook_seq=? AND generation=?)");
  uses("AND id > ?3 AND aside = 0", "deliveries_status (webhook_seq=? AND status=? AND id>?)");
  uses("manual + aside > 0 ORDER BY next_attempt_at LIMIT 1",
       "deliveries_by_hand (webhook_seq=? AND generation=? AND manual=?)");
  uses("event_seq = ?1 AND webhook_seq = ?2 AND status <> 4",
       "deliveries_event (event_seq=? AND webhook_seq=?)");
  uses("event_seq = ?1 AND webhook_seq = ?2 AND replay_seq",
       "deliveries_event (event_seq=? AND webhook_seq=?)");
  uses("FROM events WHERE seq BETWEEN", "PRIMARY KEY (rowid>? AND rowid<?)");
  uses("FROM event_spans WHERE start > ?1", "PRIMARY KEY (start>?)");
  uses("UPDATE event_spans", "PRIMARY KEY (start=? AND first_seq<?)");
  uses("(next_attempt_at, id) < (?4, ?5)", "deliveries_due (webhook_seq=? AND generation=? AND");
  uses("(next_attempt_at, id) > (?4, ?5)", "deliveries_due (webhook_seq=? AND generation=? AND");
  uses("DELETE FROM attempts", "attempts_delivery (delivery_id=?)");
  uses("FROM events WHERE event_id = ?1 AND ifnull(tenant, '') = ?2", "events_id");
}

}  // namespace
}  // namespace webhookd::test
