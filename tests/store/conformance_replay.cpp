#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

using Counts = std::vector<std::int64_t>;  // matched, created, skipped

struct Replays : StoreFixture {
  ReplayBatch batch(const Webhook& webhook) {
    ReplayBatch made;
    made.webhook = webhook.id;
    made.since = kStart - hours{1};
    return made;
  }
  ReplayResult run(const ReplayBatch& batch) { return store().replay_events(batch, {}, context()); }
  // All batches, as one call.
  Counts run_all(ReplayBatch batch) {
    ReplayResult result;
    for (int round = 0; round == 0 || result.more; ++round) {
      REQUIRE(round < 1000);
      result = store().replay_events(batch, result.sum, context());
      REQUIRE_FALSE(result.fault);
      batch.after = result.after;
      batch.through = result.through;
    }
    return {result.sum.matched, result.sum.changed, result.sum.skipped};
  }
  // The events of what the webhook has, oldest first.
  std::vector<std::string> events_of(const Webhook& webhook) {
    std::vector<std::string> ids;
    for (const Delivery& delivery : list(webhook.id).items) {
      ids.insert(ids.begin(), delivery.event_id);
    }
    return ids;
  }
  Webhook with_status(const std::string& name, WebhookStatus status) {
    WebhookSettings settings = settings_for(name);
    settings.status = status;
    return add(settings);
  }
};

using Events = std::vector<std::string>;

TEST_CASE("a replay brings a webhook the events of before it existed, oldest first") {
  Replays f;
  f.publish_many(3);
  f.now += minutes{20};
  const Webhook webhook = f.add("late");
  const ReplayResult result = f.run(f.batch(webhook));
  CHECK(result.sum.changed == 3);
  CHECK_FALSE(result.more);
  CHECK(f.events_of(webhook) == Events{"evt_1", "evt_2", "evt_3"});
  const Claim claim = f.claim(webhook.id);
  REQUIRE(claim.deliveries.size() == 3);
  const ClaimedDelivery& first = claim.deliveries.front();
  CHECK(first.event_id == "evt_1");
  CHECK(first.trigger == Trigger::automatic);
  CHECK(first.max_attempts == 3);
  CHECK(first.due == f.now);
  CHECK(first.body == event_of("evt_1").body);
  CHECK(f.delivery(first.id).created_at == f.now);
}

TEST_CASE("replayed deliveries count like published ones") {
  Replays f;
  f.publish_many(2);
  const Webhook webhook = f.add("late");
  f.run(f.batch(webhook));
  CHECK(f.found(webhook.id).backlog == 2);
  CHECK(f.store().status().backlog == 2);
  CHECK(f.list(webhook.id).total == 2);
  CHECK(f.store().stats(webhook.id, hours{24}, f.now)->total == 2);
}

TEST_CASE("a replay takes the events of its time alone, and of its type") {
  Replays f;
  f.publish(event_of("a", "user.created"));
  f.now += seconds{10};
  f.publish(event_of("b", "user.deleted"));
  f.now += minutes{10};
  f.publish(event_of("c", "user.created"));
  const Webhook webhook = f.add("late");
  const auto matched = [&](auto set) {
    ReplayBatch batch = f.batch(webhook);
    batch.dry_run = DryRun::yes;
    set(batch);
    return f.run_all(batch).at(0);
  };
  using Batch = ReplayBatch;
  CHECK(matched([](Batch&) {}) == 3);
  CHECK(matched([](Batch& b) { b.since = kStart; }) == 3);
  CHECK(matched([](Batch& b) { b.since = kStart + seconds{1}; }) == 2);
  CHECK(matched([](Batch& b) { b.until = kStart + seconds{10}; }) == 1);
  CHECK(matched([](Batch& b) { b.until = kStart + seconds{11}; }) == 2);
  CHECK(matched([](Batch& b) { b.event_type = "user.created"; }) == 2);
  CHECK(matched([&](Batch& b) { b.since = f.now + hours{1}; }) == 0);
}

TEST_CASE("a replay asks what the webhook wants and may have now, and takes no tests") {
  Replays f;
  WebhookSettings settings = settings_for("a");
  settings.binding = {"t1", std::nullopt};
  settings.events = {"user.created"};
  const Webhook other = f.add("other");
  f.publish(event_of("right", "user.created", {"t1", "p1"}));
  f.publish(event_of("type", "user.deleted", {"t1", std::nullopt}));
  f.publish(event_of("tenant", "user.created", {"t2", std::nullopt}));
  f.publish(event_of("nobody's", "user.created"));
  f.store().begin_test(other.id, event_of("test", "user.created", {"t1", {}}), f.context());
  const Webhook webhook = f.add(settings);
  CHECK(f.run_all(f.batch(webhook)) == Counts{1, 1, 0});
  CHECK(f.events_of(webhook) == Events{"right"});
}

TEST_CASE("whoever may not see the webhook replays nothing for it") {
  Replays f;
  WebhookSettings settings = settings_for("a");
  settings.binding = {"t1", std::nullopt};
  const Webhook webhook = f.add(settings);
  ReplayBatch batch = f.batch(webhook);
  batch.visible_to.tenant_id = "t2";
  CHECK(f.run(batch).fault == BatchFault::webhook_not_found);
  batch.visible_to.tenant_id = "t1";
  CHECK_FALSE(f.run(batch).fault);
}

TEST_CASE("only missed ones: no delivery, or none but cancelled ones") {
  Replays f;
  const Webhook webhook = f.add("a");
  f.publish_many(3);
  f.deliver(webhook.id, kSucceeded);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  f.publish_many(2);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  f.publish_many(1);
  ReplayBatch batch = f.batch(webhook);
  batch.missed_only = true;
  CHECK(f.run_all(batch) == Counts{4, 4, 0});
  CHECK(f.events_of(webhook) ==
        Events{"evt_1", "evt_2", "evt_3", "evt_6", "evt_2", "evt_3", "evt_4", "evt_5"});
  CHECK(f.run_all(batch) == Counts{0, 0, 0});
  batch.missed_only = false;
  CHECK(f.run_all(batch) == Counts{6, 6, 0});
}

TEST_CASE("what a disabling has yet to mark as cancelled counts as missed") {
  Replays f;
  const Webhook webhook = f.add("a");
  for (int round = 0; round < 6; ++round) f.publish_many(1000);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  REQUIRE(f.list(webhook.id, kPending).total > 0);
  ReplayBatch batch = f.batch(webhook);
  batch.missed_only = true;
  CHECK(f.run_all(batch) == Counts{6000, 6000, 0});
  f.tidy();
  CHECK(f.list(webhook.id, kCancelled).total == 6000);
  CHECK(f.list(webhook.id, kPending).total == 6000);
}

TEST_CASE("a disabled webhook gets no replay, a paused one keeps it") {
  Replays f;
  f.publish_many(2);
  const Webhook disabled = f.with_status("disabled", WebhookStatus::disabled);
  CHECK(f.run(f.batch(disabled)).fault == BatchFault::webhook_disabled);
  CHECK(f.list(disabled.id).total == 0);
  const Webhook paused = f.with_status("paused", WebhookStatus::paused);
  CHECK(f.run_all(f.batch(paused)) == Counts{2, 2, 0});
  CHECK(f.claim(paused.id).deliveries.empty());
  CHECK(f.found(paused.id).backlog == 2);
}

TEST_CASE("a replay ends at its limit and goes on where it was") {
  Replays f;
  f.publish_many(5);
  const Webhook webhook = f.add("late");
  ReplayBatch batch = f.batch(webhook);
  batch.limit = 3;
  const ReplayResult first = f.run(batch);
  CHECK(first.sum.changed == 3);
  CHECK(first.more);
  batch.after = first.after;
  batch.through = first.through;
  batch.limit = 2;
  const ReplayResult second = f.store().replay_events(batch, first.sum, f.context());
  CHECK(second.sum.changed == 5);
  CHECK_FALSE(second.more);
  CHECK(f.events_of(webhook) == Events{"evt_1", "evt_2", "evt_3", "evt_4", "evt_5"});
}

TEST_CASE("a replay does not run after the events that come while it goes on") {
  Replays f;
  f.publish_many(4);
  WebhookSettings settings = settings_for("late");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  ReplayBatch batch = f.batch(webhook);
  batch.limit = 2;
  const ReplayResult first = f.run(batch);
  f.publish_many(1);
  batch.after = first.after;
  batch.through = first.through;
  CHECK(f.run_all(batch) == Counts{2, 2, 0});
  // In the line of an ordered webhook each has the place in which it came.
  CHECK(f.events_of(webhook) == Events{"evt_1", "evt_2", "evt_5", "evt_3", "evt_4"});
  for (const std::int64_t id : {1, 2, 3, 4, 5}) {
    const Claim claim = f.claim(webhook.id);
    CHECK(ids_of(claim) == Ids{id});
    f.finish(webhook.id, claim.deliveries.front(), kSucceeded);
  }
}

TEST_CASE("the same replay id makes no second delivery of an event, whatever came in between") {
  Replays f;
  f.publish_many(5);
  const Webhook webhook = f.add("late");
  ReplayBatch batch = f.batch(webhook);
  batch.replay_id = "outage-1";
  batch.limit = 2;
  f.run(batch);
  f.publish_many(1);
  f.deliver(webhook.id, kSucceeded);
  f.restart();
  CHECK(f.run_all(batch) == Counts{5, 3, 2});
  CHECK(f.run_all(batch) == Counts{5, 0, 5});
  batch.event_type = "user.created";
  CHECK(f.run_all(batch) == Counts{5, 0, 5});
  // The event that came later was delivered when it came, and is not of this replay.
  CHECK(f.events_of(webhook) == Events{"evt_1", "evt_2", "evt_6", "evt_3", "evt_4", "evt_5"});
  batch.replay_id = "outage-2";
  CHECK(f.run_all(batch) == Counts{6, 6, 0});
}

TEST_CASE("a replay id is one webhook's own") {
  Replays f;
  f.publish_many(2);
  const Webhook one = f.add("one");
  const Webhook two = f.add("two");
  for (const Webhook& webhook : {one, two}) {
    ReplayBatch batch = f.batch(webhook);
    batch.replay_id = "same";
    CHECK(f.run_all(batch) == Counts{2, 2, 0});
  }
  f.store().delete_webhook(one.id, f.context());
  f.tidy();
  CHECK(f.list(two.id).total == 2);
}

TEST_CASE("two replays with one id at the same time make each delivery once") {
  Replays f;
  for (int round = 0; round < 4; ++round) f.publish_many(500);
  const Webhook webhook = f.add("late");
  const auto replay = [&f, &webhook] {
    ReplayBatch batch;
    batch.webhook = webhook.id;
    batch.replay_id = "twice";
    batch.limit = 100;
    ReplayResult result;
    for (int round = 0; round < 100 && (round == 0 || result.more); ++round) {
      result = f.store().replay_events(batch, result.sum, f.context());
      batch.after = result.after;
      batch.through = result.through;
    }
    return result.sum;
  };
  BatchSum theirs;
  std::thread other([&] { theirs = replay(); });
  const BatchSum ours = replay();
  other.join();
  CHECK(ours.changed + theirs.changed == 2000);
  CHECK(ours.skipped + theirs.skipped == 2000);
  CHECK(f.list(webhook.id).total == 2000);
}

TEST_CASE("a dry run of a replay counts and leaves nothing behind") {
  Replays f;
  f.publish_many(3);
  const Webhook webhook = f.add("late");
  ReplayBatch batch = f.batch(webhook);
  batch.replay_id = "later";
  batch.dry_run = DryRun::yes;
  CHECK(f.run_all(batch) == Counts{3, 3, 0});
  CHECK(f.list(webhook.id).total == 0);
  CHECK(f.store().audit(std::nullopt, 1).at(0).action == "webhook.create");
  // Not even its end is laid down.
  f.publish(event_of("new"));
  f.deliver(webhook.id, kSucceeded);
  batch.dry_run = DryRun::no;
  CHECK(f.run_all(batch) == Counts{4, 4, 0});
}

TEST_CASE("events are found by their time also when the clock was set back in between") {
  Replays f;
  f.now = kStart + hours{24};
  f.publish(event_of("tomorrow"));
  f.now = kStart;
  f.publish(event_of("today"));
  f.now = kStart + hours{24};
  f.publish(event_of("tomorrow, again"));
  f.now = kStart + minutes{1};
  f.publish(event_of("today, again"));
  const Webhook webhook = f.add("late");
  ReplayBatch batch = f.batch(webhook);
  batch.until = kStart + hours{1};
  CHECK(f.run_all(batch) == Counts{2, 2, 0});
  CHECK(f.events_of(webhook) == Events{"today", "today, again"});
  batch.since = kStart + hours{1};
  batch.until.reset();
  CHECK(f.run_all(batch) == Counts{2, 2, 0});
  CHECK(f.events_of(webhook) == Events{"today", "today, again", "tomorrow", "tomorrow, again"});
}

TEST_CASE("what the daemon tells of a webhook is replayed to others, never to itself") {
  Replays f;
  WebhookSettings settings = settings_for("failing");
  settings.events = {"*"};
  const Webhook failing = f.add(settings);
  QueueTurn turn;
  turn.disable.push_back({failing.id, "it answered 410", "evt_own"});
  f.store().queue_turn(turn, f.now);
  f.change(failing.id, [](WebhookSettings& s) { s.status = WebhookStatus::active; });
  settings.name = "watcher";
  const Webhook watcher = f.add(settings);
  CHECK(f.run_all(f.batch(failing)) == Counts{0, 0, 0});
  CHECK(f.run_all(f.batch(watcher)) == Counts{1, 1, 0});
}

TEST_CASE("a replay is one row of the audit log, with what was asked for and what was done") {
  Replays f;
  f.publish_many(3);
  const Webhook webhook = f.add("late");
  ReplayBatch batch = f.batch(webhook);
  batch.since = kStart;
  batch.replay_id = "r-1";
  batch.limit = 2;
  f.run_all(batch);
  const auto entries = f.store().audit(std::nullopt, 2);
  CHECK(entries.at(0).action == "webhook.replay");
  CHECK(entries.at(0).webhook_id == webhook.id);
  CHECK(nlohmann::json::parse(entries.at(0).detail) ==
        nlohmann::json{{"matched", 3},
                       {"changed", 3},
                       {"skipped", 0},
                       {"since", format_rfc3339(kStart)},
                       {"missed_only", false},
                       {"replay_id", "r-1"}});
  CHECK(entries.at(1).action == "webhook.create");
}

}  // namespace
}  // namespace webhookd::test
