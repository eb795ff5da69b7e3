#include "bench/store_filler.h"

#include <catch2/catch.hpp>

#include "bench/arrivals.h"
#include "bench/daemon_process.h"
#include "store/sqlite/sqlite_store.h"

namespace webhookd::bench {
namespace {

std::unique_ptr<Store> opened(const std::filesystem::path& state_dir, Random& random) {
  SqliteOptions options;
  options.state_dir = state_dir;
  options.default_schedule = {std::chrono::seconds{5}};
  return open_sqlite_store(options, random, from_unix_millis(2'000));
}

TEST_CASE("a filled store holds what was delivered, and when what failed is due") {
  const TemporaryDir dir(std::filesystem::temp_directory_path());
  const Timestamp at = from_unix_millis(1'000);
  WebhookId first;
  WebhookId second;
  {
    StoreFiller filler(state_dir_in(dir.path()));
    first = filler.add_webhook(0, 2, "http://127.0.0.1/0");
    second = filler.add_webhook(1, 2, "http://127.0.0.1/1");
    filler.publish(0, 10, 2, at);
    filler.record_successes(filler.claim({first}, 3, at), at);
    filler.record_failures(filler.claim({second}, 5, at), at, [](const std::string& event_id) {
      return from_unix_millis(5'000 + static_cast<std::int64_t>(event_index(event_id)));
    });
    filler.pause(first);
  }
  SystemRandom random;
  const auto store = opened(state_dir_in(dir.path()), random);
  const auto count = [&](const WebhookId& webhook, DeliveryStatus status) {
    DeliveryFilter filter;
    filter.webhook_id = webhook;
    filter.status = status;
    return store->list_deliveries(filter, {}).total;
  };
  CHECK(count(first, DeliveryStatus::succeeded) == 3);
  CHECK(count(first, DeliveryStatus::pending) == 2);
  CHECK(count(second, DeliveryStatus::pending) == 5);
  CHECK(store->find_webhook(first)->settings.status == WebhookStatus::paused);
  // The first event of the second endpoint is event 1.
  CHECK(store->endpoint(second)->next_due == from_unix_millis(5'001));
}

}  // namespace
}  // namespace webhookd::bench
