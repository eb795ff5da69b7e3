#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "shared/random.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"
#include "support/patience.h"

namespace webhookd::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kMiB = 1024 * 1024;
const ChangeContext kContext{kStart, "test", "unix", "r"};

// A store on a disk with as much space as the test says.
struct SmallDisk {
  ScratchDirectory directory;
  SystemRandom random;
  std::atomic<std::int64_t> free{1000 * kMiB};
  std::unique_ptr<Store> store = open_sqlite_store(options(), random, kStart);

  SqliteOptions options() {
    SqliteOptions made = options_for(directory.path());
    made.min_free_bytes = 100 * kMiB;
    made.look_at_disk = [this] { return DiskSpace{10'000 * kMiB, free}; };
    return made;
  }
  // It looks a few times a second.
  bool becomes(bool has_room) {
    const Monotonic end = std::chrono::steady_clock::now() + kPatience;
    while (store->has_room() != has_room && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(milliseconds{10});
    }
    return store->has_room() == has_room;
  }
  void publish(const std::string& id) {
    const NewEvent event = event_of(id);
    store->publish(std::span(&event, 1), kStart);
  }
  bool is_refused(const std::function<void()>& work) {
    try {
      work();
    } catch (const StoreError& error) {
      return error.kind() == StoreError::Kind::low_space;
    }
    return false;
  }
};

NewWebhook new_webhook(int number) {
  return {webhook_id(number), settings_for("w" + std::to_string(number)), Secret{kSecretText}};
}

TEST_CASE("little free space refuses what is new, and nothing else") {
  SmallDisk disk;
  disk.store->create_webhook(new_webhook(1), kContext);
  disk.publish("before");
  ReplayBatch replay;
  replay.webhook = webhook_id(1);
  replay.since = kStart - hours{1};
  disk.free = 100 * kMiB - 1;
  REQUIRE(disk.becomes(false));
  CHECK(disk.is_refused([&] { disk.publish("during"); }));
  CHECK(disk.is_refused([&] { disk.store->publish_later(event_of("later"), kStart, {}); }));
  CHECK(disk.is_refused([&] { disk.store->create_webhook(new_webhook(2), kContext); }));
  CHECK(disk.is_refused([&] { disk.store->replay_events(replay, {}, kContext); }));
  replay.dry_run = DryRun::yes;
  CHECK(disk.store->replay_events(replay, {}, kContext).sum.changed == 1);

  QueueTurn turn;
  turn.claims.push_back({webhook_id(1), 1, Claimable::any});
  const Claim claim = disk.store->queue_turn(turn, kStart).claims.at(0);
  REQUIRE(claim.deliveries.size() == 1);
  QueueTurn results;
  results.results.push_back(result_of(webhook_id(1), claim.deliveries[0], kSucceeded, kStart));
  disk.store->queue_turn(results, kStart);
  CHECK(disk.store->find_delivery(DeliveryId{1})->status == kSucceeded);
  CHECK_NOTHROW(disk.store->check_writable(kStart));
  CHECK(disk.store->delete_webhook(webhook_id(1), kContext));
  CHECK_FALSE(disk.store->status().has_room);
  CHECK(disk.store->status().min_free_bytes == 100 * kMiB);
}

TEST_CASE("the daemon's own events are stored however little space is free") {
  SmallDisk disk;
  disk.store->create_webhook(new_webhook(1), kContext);
  disk.store->create_webhook(new_webhook(2), kContext);
  disk.store->update_webhook(
      webhook_id(2), [](WebhookSettings& settings) { settings.events = {"webhook.*"}; }, kContext);
  disk.free = 0;
  REQUIRE(disk.becomes(false));
  QueueTurn turn;
  Disabling disabling;
  disabling.webhook = webhook_id(1);
  disabling.reason = "it answered 410";
  disabling.event_id = "evt_own";
  turn.disable.push_back(disabling);
  CHECK_NOTHROW(disk.store->queue_turn(turn, kStart));
  CHECK(disk.store->find_webhook(webhook_id(2))->backlog == 1);
}

TEST_CASE("publishing comes back by itself, once there is a little more than enough") {
  SmallDisk disk;
  disk.free = 0;
  REQUIRE(disk.becomes(false));
  disk.free = 200 * kMiB;
  REQUIRE(disk.becomes(true));
  disk.publish("after");
  CHECK(disk.store->find_events("after").size() == 1);
}

TEST_CASE("space is looked at four times a second at most, and does not flap") {
  int looks = 0;
  std::optional<DiskSpace> space = DiskSpace{10'000, 100};
  SpaceWatch watch(
      [&] {
        ++looks;
        return space;
      },
      80);
  Monotonic now{hours{1}};
  for (int asked = 0; asked < 100; ++asked) CHECK(watch.has_room(now));
  CHECK(looks == 1);
  CHECK(watch.least() == 80);
  const auto later = [&](std::optional<std::int64_t> free) {
    space = free ? std::optional(DiskSpace{10'000, *free}) : std::nullopt;
    now += milliseconds{250};
    return watch.has_room(now);
  };
  CHECK(later(80));
  CHECK_FALSE(later(79));
  CHECK_FALSE(later(89));
  CHECK_FALSE(later(std::nullopt));
  CHECK(later(90));
  CHECK(later(std::nullopt));
}

TEST_CASE("unless another size is set a twentieth is kept free, and 256 MiB at most") {
  const auto least_of = [](std::int64_t total) {
    SpaceWatch watch([&] { return DiskSpace{total, total}; }, std::nullopt);
    watch.has_room(Monotonic{hours{1}});
    return watch.least();
  };
  CHECK(least_of(1000 * kMiB) == 50 * kMiB);
  CHECK(least_of(1'000'000 * kMiB) == 256 * kMiB);
}

TEST_CASE("with nothing kept back a disk is used to its end") {
  SpaceWatch watch([] { return DiskSpace{1000, 0}; }, 0);
  CHECK(watch.has_room(Monotonic{hours{1}}));
}

// Publishes so many events of 100,000 bytes.
void fill(Store& store, int count) {
  for (int made = 0; made < count; ++made) {
    NewEvent event = event_of("large" + std::to_string(made));
    event.body = std::string(100'000, 'x');
    store.publish(std::span(&event, 1), kStart);
  }
}

std::uintmax_t size_of(const ScratchDirectory& directory, const char* file) {
  return std::filesystem::file_size(directory.path() / "state" / file);
}

TEST_CASE("the files shrink once what filled them is gone") {
  const ScratchDirectory directory;
  SystemRandom random;
  auto store = open_sqlite_store(options_for(directory.path()), random, kStart);
  fill(*store, 300);
  store.reset();
  store = open_sqlite_store(options_for(directory.path()), random, kStart);
  const std::uintmax_t full = size_of(directory, "webhookd.db");
  REQUIRE(full > 30'000'000);
  std::vector<WebhookId> changed;
  const Timestamp later = kStart + hours{31 * 24};
  while (store->do_housekeeping(later, changed) == MoreWork::yes) {
  }
  CHECK(store->find_events("large0").empty());
  store.reset();
  store = open_sqlite_store(options_for(directory.path()), random, later);
  CHECK(size_of(directory, "webhookd.db") < full / 4);
}

TEST_CASE("a log that has grown shrinks when little is written any more") {
  const ScratchDirectory directory;
  SystemRandom random;
  const auto store = open_sqlite_store(options_for(directory.path()), random, kStart);
  fill(*store, 100);
  REQUIRE(size_of(directory, "webhookd.db-wal") > 4 * kMiB);
  const Monotonic end = std::chrono::steady_clock::now() + kPatience;
  std::vector<WebhookId> changed;
  while (size_of(directory, "webhookd.db-wal") > 4 * kMiB &&
         std::chrono::steady_clock::now() < end) {
    store->do_housekeeping(kStart, changed);
    std::this_thread::sleep_for(milliseconds{50});
  }
  CHECK(size_of(directory, "webhookd.db-wal") <= 4 * kMiB);
  CHECK(store->find_events("large99").size() == 1);
}

}  // namespace
}  // namespace webhookd::test
