#include <catch2/catch.hpp>
#include <functional>

#include "shared/random.h"
#include "store/faulty_disk.h"
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
  std::unique_ptr<Store> store = open_sqlite_store(options_for(directory.path()), random, kStart);

  void publish(const std::string& id) {
    const NewEvent event = event_of(id);
    store->publish(std::span(&event, 1), kStart);
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
