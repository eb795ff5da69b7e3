#include <catch2/catch.hpp>
#include <functional>

#include "shared/random.h"
#include "store/faulty_disk.h"
#include "store/sqlite/connection.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

std::optional<StoreError::Kind> failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const StoreError& error) {
    return error.kind();
  }
  return std::nullopt;
}

struct FaultyStore {
  ScratchDirectory directory;
  FaultyDisk disk;
  SystemRandom random;
  int webhooks = 0;
  std::unique_ptr<Store> store = open_sqlite_store(options_for(directory.path()), random, kStart);

  void publish(const std::string& id) {
    const NewEvent event = event_of(id);
    store->publish(std::span(&event, 1), kStart);
  }
  Webhook add(const WebhookSettings& settings) {
    const NewWebhook webhook{webhook_id(++webhooks), settings, Secret{kSecretText}};
    return std::get<Webhook>(store->create_webhook(webhook, {kStart, "test", "unix", "r"}));
  }
  Claim claim(const WebhookId& id) {
    QueueTurn turn;
    turn.claims.push_back({id, 1, Claimable::any});
    return store->queue_turn(turn, kStart).claims.at(0);
  }
  DeliveryStatus status_of(std::int64_t id) {
    return store->find_delivery(DeliveryId{id}).value().status;
  }
  // Enough that a checkpoint follows; how the last publish went.
  std::optional<StoreError::Kind> fill_log(const std::string& prefix) {
    std::optional<StoreError::Kind> failure;
    for (int number = 0; number < 20 && !failure; ++number) {
      NewEvent event = event_of(prefix + std::to_string(number));
      event.body = std::string(1'000'000, 'x');
      failure = failure_of([&] { store->publish(std::span(&event, 1), kStart); });
    }
    return failure;
  }
  void reopen() {
    store.reset();
    store = open_sqlite_store(options_for(directory.path()), random, kStart);
  }
};

TEST_CASE("a full disk refuses writes, leaves reads alone, and is over when there is space") {
  FaultyStore f;
  f.publish("before");
  f.disk.set(FaultyDisk::Fault::full);
  CHECK(failure_of([&] { f.publish("during"); }) == StoreError::Kind::full);
  CHECK(failure_of([&] { f.store->check_writable(kStart); }) == StoreError::Kind::full);
  CHECK(f.store->find_events("before").size() == 1);
  f.disk.set(FaultyDisk::Fault::none);
  CHECK_NOTHROW(f.store->check_writable(kStart));
  f.publish("after");
  CHECK(f.store->find_events("during").empty());
  CHECK(f.store->find_events("after").size() == 1);
}

TEST_CASE("matching is right after a full disk has undone a change of a webhook") {
  FaultyStore f;
  const ChangeContext context{kStart, "test", "unix", "r"};
  f.store->create_webhook({webhook_id(1), settings_for("a"), Secret{kSecretText}}, context);
  f.disk.set(FaultyDisk::Fault::full);
  const auto away = [](WebhookSettings& settings) { settings.events = {"group.*"}; };
  CHECK(failure_of([&] { f.store->update_webhook(webhook_id(1), away, context); }) ==
        StoreError::Kind::full);
  f.disk.set(FaultyDisk::Fault::none);
  f.publish("e");
  CHECK(f.store->status().backlog == 1);
}

TEST_CASE("after a failed fsync nothing is acknowledged any more, and a new start has the rest") {
  FaultyStore f;
  f.publish("before");
  f.disk.set(FaultyDisk::Fault::failing_sync);
  CHECK(failure_of([&] { f.publish("during"); }) == StoreError::Kind::broken);
  f.disk.set(FaultyDisk::Fault::none);
  CHECK(failure_of([&] { f.publish("after"); }) == StoreError::Kind::broken);
  CHECK(failure_of([&] { f.store->check_writable(kStart); }) == StoreError::Kind::broken);
  f.reopen();
  CHECK(f.store->find_events("before").size() == 1);
  CHECK(f.store->find_events("after").empty());
  f.publish("again");
  CHECK(f.store->find_events("again").size() == 1);
}

TEST_CASE("a failed fsync ends acknowledging also after a checkpoint that had no space") {
  FaultyStore f;
  f.disk.set(FaultyDisk::Fault::database_over_quota);
  CHECK_FALSE(f.fill_log("large"));
  f.disk.set(FaultyDisk::Fault::failing_sync);
  CHECK(failure_of([&] { f.publish("during"); }) == StoreError::Kind::broken);
  f.disk.set(FaultyDisk::Fault::none);
  CHECK(failure_of([&] { f.publish("after"); }) == StoreError::Kind::broken);
}

TEST_CASE("an fsync that fails for lack of space in a checkpoint ends acknowledging") {
  FaultyStore f;
  f.disk.set(FaultyDisk::Fault::database_sync_without_space);
  CHECK(f.fill_log("large") == StoreError::Kind::broken);
  f.disk.set(FaultyDisk::Fault::none);
  CHECK(failure_of([&] { f.publish("after"); }) == StoreError::Kind::broken);
}

TEST_CASE("a quota that is used up is a full disk, and over when there is space") {
  FaultyStore f;
  f.disk.set(FaultyDisk::Fault::log_over_quota);
  CHECK(failure_of([&] { f.publish("during"); }) == StoreError::Kind::full);
  f.disk.set(FaultyDisk::Fault::none);
  f.publish("after");
  CHECK(f.store->find_events("during").empty());
  CHECK(f.store->find_events("after").size() == 1);
}

TEST_CASE("a log that cannot grow starts over, and writing goes on") {
  FaultyStore f;
  for (int number = 0; number < 20; ++number) f.publish("before" + std::to_string(number));
  f.disk.set(FaultyDisk::Fault::full_beyond_log);
  for (int number = 0; number < 100; ++number) {
    CHECK_NOTHROW(f.publish("during" + std::to_string(number)));
  }
  CHECK(f.store->find_events("during0").size() == 1);
  CHECK(f.store->find_events("during99").size() == 1);
}

TEST_CASE("a start on a full disk reads, and recovers what was in flight when there is space") {
  FaultyStore f;
  const Webhook webhook = f.add(settings_for("a"));
  f.publish("before");
  REQUIRE(f.claim(webhook.id).deliveries.size() == 1);
  f.disk.set(FaultyDisk::Fault::full);
  CHECK_NOTHROW(f.reopen());
  std::vector<WebhookId> changed;
  for (int piece = 0; f.store->do_housekeeping(kStart, changed) == MoreWork::yes; ++piece) {
    REQUIRE(piece < 100);
  }
  CHECK(changed.empty());
  CHECK(f.status_of(1) == kInFlight);
  CHECK(f.claim(webhook.id).deliveries.empty());

  f.disk.set(FaultyDisk::Fault::none);
  f.publish("after");
  REQUIRE(f.claim(webhook.id).deliveries.size() == 1);
  while (f.store->do_housekeeping(kStart, changed) == MoreWork::yes) {
  }
  CHECK(changed == std::vector<WebhookId>{webhook.id});
  CHECK(f.status_of(1) == kPending);
  CHECK(f.status_of(2) == kInFlight);
  CHECK(f.store->delivery_detail(DeliveryId{1})->attempts.size() == 1);
  CHECK(f.store->find_webhook(webhook.id)->backlog == 2);
}

TEST_CASE("a first start on a full disk names the directory and what to do") {
  const ScratchDirectory directory;
  FaultyDisk disk;
  disk.set(FaultyDisk::Fault::full);
  const std::string refusal = refusal_of(directory.path());
  CHECK_THAT(refusal, Catch::Contains((directory.path() / "state").string()));
  CHECK_THAT(refusal, Catch::Contains("free some") && Catch::Contains("--state-dir"));
  disk.set(FaultyDisk::Fault::none);
  CHECK(refusal_of(directory.path()).empty());
}

TEST_CASE("housekeeping tells of an ended lease before a later piece of it can fail") {
  FaultyStore f;
  WebhookSettings leased = settings_for("leased");
  leased.expires_at = kStart;
  const Webhook ends = f.add(leased);
  const Webhook deleted = f.add(settings_for("deleted"));
  f.store->delete_webhook(deleted.id, {kStart, "test", "unix", "r"});
  Connection(f.directory.path() / "state/webhookd.db", Connection::Role::writer)
      .script("ALTER TABLE rollups RENAME TO gone");
  std::vector<WebhookId> changed;
  CHECK(f.store->do_housekeeping(kStart, changed) == MoreWork::yes);
  CHECK(changed == std::vector<WebhookId>{ends.id});
  CHECK_THROWS(f.store->do_housekeeping(kStart, changed));
  CHECK(changed.size() == 1);
}

TEST_CASE("a start on a disk whose fsync fails is refused") {
  FaultyStore f;
  f.publish("before");
  f.disk.set(FaultyDisk::Fault::failing_sync);
  CHECK(failure_of([&] { f.publish("during"); }) == StoreError::Kind::broken);
  CHECK(failure_of([&] { f.reopen(); }) == StoreError::Kind::broken);
  f.disk.set(FaultyDisk::Fault::none);
  CHECK_NOTHROW(f.reopen());
}

}  // namespace
}  // namespace webhookd::test
