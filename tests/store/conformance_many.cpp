#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

using Counts = std::vector<std::int64_t>;  // matched, changed, skipped

Counts counts_of(const BatchSum& sum) { return {sum.matched, sum.changed, sum.skipped}; }

struct Many : StoreFixture {
  DeliveryBatch batch(const Webhook& webhook, ChangeOfMany change,
                      std::optional<DeliveryStatus> status) {
    DeliveryBatch made;
    made.change = change;
    made.filter.webhook_id = webhook.id;
    made.filter.status = status;
    return made;
  }
  DeliveryBatch retry(const Webhook& webhook) {
    return batch(webhook, ChangeOfMany::retry, kFailed);
  }
  DeliveryBatch cancel(const Webhook& webhook) {
    return batch(webhook, ChangeOfMany::cancel, kPending);
  }
  BatchResult run(const DeliveryBatch& batch) {
    return store().change_deliveries(batch, {}, context());
  }
  // All batches, as one call.
  BatchSum run_all(DeliveryBatch batch) {
    BatchResult result;
    for (int round = 0; round == 0 || result.more; ++round) {
      REQUIRE(round < 1000);
      result = store().change_deliveries(batch, result.sum, context());
      REQUIRE_FALSE(result.fault);
      batch.after = DeliveryId{result.after};
    }
    return result.sum;
  }
  // So many deliveries that have failed.
  void fail_many(const Webhook& webhook, int count) {
    publish_many(count);
    for (int made = 0; made < count; ++made) deliver(webhook.id, kFailed);
  }
  std::int64_t audited(const std::string& action) {
    std::int64_t rows = 0;
    for (const AuditEntry& entry : store().audit(std::nullopt, 1000)) {
      rows += entry.action == action ? 1 : 0;
    }
    return rows;
  }
};

TEST_CASE("many failed deliveries are retried in one batch, oldest first, as if by hand") {
  Many f;
  const Webhook webhook = f.add("a");
  f.fail_many(webhook, 3);
  f.now += hours{1};
  const BatchResult result = f.run(f.retry(webhook));
  CHECK(counts_of(result.sum) == Counts{3, 3, 0});
  CHECK_FALSE(result.more);
  const Claim claim = f.claim(webhook.id);
  CHECK(ids_of(claim) == Ids{1, 2, 3});
  for (const ClaimedDelivery& claimed : claim.deliveries) {
    CHECK(claimed.trigger == Trigger::manual);
    CHECK(claimed.due == f.now);
  }
  CHECK(f.list(webhook.id, kFailed).total == 0);
  CHECK(f.found(webhook.id).backlog == 3);
  CHECK(f.store().stats(webhook.id, hours{24}, f.now)->failed == 0);
}

TEST_CASE("a batch ends at its limit, says whether there is more, and the next one goes on") {
  Many f;
  const Webhook webhook = f.add("a");
  f.fail_many(webhook, 5);
  DeliveryBatch batch = f.retry(webhook);
  batch.limit = 2;
  BatchResult result = f.run(batch);
  CHECK(counts_of(result.sum) == Counts{2, 2, 0});
  CHECK(result.more);
  CHECK(ids_of(f.list(webhook.id, kFailed)) == Ids{5, 4, 3});
  batch.after = DeliveryId{result.after};
  batch.limit = 3;
  result = f.store().change_deliveries(batch, result.sum, f.context());
  CHECK(counts_of(result.sum) == Counts{5, 5, 0});
  // The third was the last: nobody has to come again to learn that.
  CHECK_FALSE(result.more);
}

TEST_CASE("what was retried does not match again when the same is asked for once more") {
  Many f;
  const Webhook webhook = f.add("a");
  f.fail_many(webhook, 4);
  DeliveryBatch batch = f.retry(webhook);
  batch.limit = 2;
  f.run(batch);
  f.restart();
  CHECK(counts_of(f.run_all(f.retry(webhook))) == Counts{2, 2, 0});
  CHECK(f.list(webhook.id, kPending).total == 4);
}

TEST_CASE("every filter narrows what many changes reach") {
  Many f;
  const Webhook webhook = f.add("a");
  f.publish(event_of("e1", "user.created"));
  f.deliver(webhook.id, kFailed);
  f.now += seconds{10};
  f.publish(event_of("e2", "user.deleted"));
  f.deliver(webhook.id, kFailed);
  f.now += seconds{10};
  f.publish(event_of("e3", "user.created"));
  const Claim claim = f.claim(webhook.id, 1);
  AttemptResult unanswered = result_of(webhook.id, claim.deliveries.front(), kFailed, f.now);
  unanswered.attempt.response_status.reset();
  QueueTurn turn;
  turn.results.push_back(unanswered);
  f.store().queue_turn(turn, f.now);
  f.publish(event_of("e4", "user.created"));
  f.deliver(webhook.id, kSucceeded);
  const auto matched = [&](auto set) {
    DeliveryBatch batch = f.retry(webhook);
    batch.dry_run = DryRun::yes;
    set(batch);
    return f.run(batch).sum.matched;
  };
  using Batch = DeliveryBatch;
  CHECK(matched([](Batch&) {}) == 3);
  CHECK(matched([](Batch& b) { b.filter.event_type = "user.created"; }) == 2);
  CHECK(matched([](Batch& b) { b.filter.since = kStart + seconds{10}; }) == 2);
  CHECK(matched([](Batch& b) { b.filter.until = kStart + seconds{10}; }) == 1);
  CHECK(matched([](Batch& b) { b.filter.response_status = {500, 599}; }) == 2);
  CHECK(matched([](Batch& b) { b.filter.response_status = {0, 0}; }) == 1);
  CHECK(matched([](Batch& b) { b.filter.status = kSucceeded; }) == 1);
  CHECK(matched([](Batch& b) { b.filter.status.reset(); }) == 4);
  CHECK(matched([](Batch& b) { b.after = DeliveryId{2}; }) == 1);
}

TEST_CASE("what a single retry refuses is skipped among many, and the others are retried") {
  Many f;
  const Webhook webhook = f.add("a");
  f.publish_many(4);
  f.deliver(webhook.id, kSucceeded);
  f.deliver(webhook.id, kFailed);
  f.claim(webhook.id, 1);
  const auto test = f.store().begin_test(webhook.id, event_of("t", "webhook.test"), f.context());
  f.finish(webhook.id, *test, kFailed);
  DeliveryBatch batch = f.retry(webhook);
  batch.filter.status.reset();
  CHECK(counts_of(f.run(batch).sum) == Counts{5, 2, 3});
  CHECK(f.delivery(DeliveryId{1}).status == kSucceeded);
  CHECK(f.delivery(DeliveryId{2}).status == kPending);
  CHECK(f.delivery(DeliveryId{3}).status == kInFlight);
  CHECK(f.delivery(DeliveryId{5}).status == kFailed);
}

TEST_CASE("deliveries of events that the webhook may not have any more are skipped") {
  Many f;
  WebhookSettings settings = settings_for("a");
  settings.binding.tenant_id = "t1";
  const Webhook webhook = f.add(settings);
  f.publish(event_of("e1", "user.created", {"t1", std::nullopt}));
  f.deliver(webhook.id, kFailed);
  f.change(webhook.id, [](WebhookSettings& s) { s.binding.tenant_id = "t2"; });
  f.publish(event_of("e2", "user.created", {"t2", std::nullopt}));
  f.deliver(webhook.id, kFailed);
  DeliveryBatch batch = f.retry(webhook);
  batch.dry_run = DryRun::yes;
  CHECK(counts_of(f.run(batch).sum) == Counts{2, 1, 1});
  // Whoever sees its own tenant alone learns nothing of the one before.
  batch.filter.visible_to.tenant_id = "t2";
  batch.filter.events_visible_to.tenant_id = "t2";
  CHECK(counts_of(f.run(batch).sum) == Counts{1, 1, 0});
  batch.filter.visible_to.tenant_id = "t1";
  CHECK(f.run(batch).fault == BatchFault::webhook_not_found);
}

TEST_CASE("many of a disabled webhook are not retried, but cancelled") {
  Many f;
  const Webhook webhook = f.add("a");
  f.fail_many(webhook, 2);
  f.change(webhook.id, [](WebhookSettings& s) { s.status = WebhookStatus::disabled; });
  const BatchResult refused = f.run(f.retry(webhook));
  CHECK(refused.fault == BatchFault::webhook_disabled);
  CHECK(counts_of(refused.sum) == Counts{0, 0, 0});
  CHECK(f.list(webhook.id, kFailed).total == 2);
  CHECK_FALSE(f.run(f.cancel(webhook)).fault);
  DeliveryBatch nobody = f.retry(webhook);
  nobody.filter.webhook_id = webhook_id(99);
  CHECK(f.run(nobody).fault == BatchFault::webhook_not_found);
}

TEST_CASE("many pending deliveries are cancelled, and what is in flight is left alone") {
  Many f;
  const Webhook webhook = f.add("a");
  f.publish_many(5);
  f.claim(webhook.id, 1);
  DeliveryBatch batch = f.cancel(webhook);
  batch.limit = 2;
  CHECK(counts_of(f.run_all(batch)) == Counts{4, 4, 0});
  CHECK(ids_of(f.list(webhook.id, kCancelled)) == Ids{5, 4, 3, 2});
  CHECK(f.found(webhook.id).backlog == 1);
  batch.filter.status.reset();
  CHECK(counts_of(f.run_all(batch)) == Counts{5, 0, 5});
}

TEST_CASE("an ordered webhook goes on behind what was cancelled") {
  Many f;
  WebhookSettings settings = settings_for("a");
  settings.ordered = true;
  const Webhook webhook = f.add(settings);
  f.publish(event_of("bad", "user.deleted"));
  f.publish(event_of("good", "user.created"));
  DeliveryBatch batch = f.cancel(webhook);
  batch.filter.event_type = "user.deleted";
  f.run(batch);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{2});
}

TEST_CASE("a dry run counts what would be done and changes nothing") {
  Many f;
  const Webhook webhook = f.add("a");
  f.fail_many(webhook, 3);
  f.publish_many(2);
  for (DeliveryBatch batch : {f.retry(webhook), f.cancel(webhook)}) {
    batch.dry_run = DryRun::yes;
    const std::int64_t expected = batch.change == ChangeOfMany::retry ? 3 : 2;
    const BatchResult result = f.run(batch);
    CHECK(counts_of(result.sum) == Counts{expected, expected, 0});
    CHECK_FALSE(result.sum.audit_id);
  }
  CHECK(f.list(webhook.id, kFailed).total == 3);
  CHECK(f.list(webhook.id, kPending).total == 2);
  CHECK(f.audited("deliveries.retry") + f.audited("deliveries.cancel") == 0);
}

TEST_CASE("the batches of one call share one row of the audit log, which holds their sum") {
  Many f;
  const Webhook webhook = f.add("a");
  f.fail_many(webhook, 5);
  DeliveryBatch batch = f.retry(webhook);
  batch.limit = 2;
  batch.filter.response_status = {500, 599};
  f.run_all(batch);
  CHECK(f.audited("deliveries.retry") == 1);
  CHECK(f.audited("delivery.retry") == 0);
  const AuditEntry entry = f.store().audit(std::nullopt, 1).at(0);
  CHECK(entry.webhook_id == webhook.id);
  CHECK(nlohmann::json::parse(entry.detail) == nlohmann::json{{"matched", 5},
                                                              {"changed", 5},
                                                              {"skipped", 0},
                                                              {"status", "failed"},
                                                              {"response_status", "5xx"}});
}

TEST_CASE("a search that walks past very many comes back in between and loses none") {
  Many f;
  const Webhook webhook = f.add("a");
  for (int round = 0; round < 25; ++round) f.publish_many(1000);
  f.publish(event_of("wanted", "user.deleted"));
  DeliveryBatch batch = f.cancel(webhook);
  batch.filter.event_type = "user.deleted";
  const BatchResult first = f.run(batch);
  CHECK(first.sum.matched == 0);
  CHECK(first.more);
  CHECK(counts_of(f.run_all(batch)) == Counts{1, 1, 0});
  CHECK(ids_of(f.list(webhook.id, kCancelled)) == Ids{25'001});
}

}  // namespace
}  // namespace webhookd::test
