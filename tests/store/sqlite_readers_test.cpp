#include <atomic>
#include <catch2/catch.hpp>
#include <latch>
#include <thread>

#include "store/sqlite/lists.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/readers.h"
#include "store/sqlite_under_test.h"

namespace webhookd::test {
namespace {

using std::chrono::milliseconds;

struct ReadersUnderTest {
  ScratchDirectory directory;
  std::filesystem::path file = directory.path() / "test.db";
  Connection writer{file, Connection::Role::writer};

  std::atomic<bool> lists_wait{false};

  ReadersUnderTest() { migrate(writer); }
  Readers readers(int count, milliseconds longest_wait) {
    return Readers(
        file, count, longest_wait, [this] { return lists_wait.load(); }, [](const std::string&) {});
  }
};

TEST_CASE("searches and lists that keep their connections leave one to point reads") {
  ReadersUnderTest r;
  Readers readers = r.readers(4, std::chrono::seconds{60});
  std::atomic<int> searching{0};
  std::atomic<int> most_searching{0};
  std::latch go(1);
  std::vector<std::thread> threads;
  const auto hold = [&](ReadKind kind) {
    threads.emplace_back([&, kind] {
      readers.read(kind, [&](Connection&) {
        if (kind == ReadKind::search) most_searching = std::max<int>(most_searching, ++searching);
        go.wait();
        if (kind == ReadKind::search) --searching;
      });
    });
  };
  for (int number = 0; number < 6; ++number) hold(ReadKind::search);
  while (searching < 2) std::this_thread::yield();
  CHECK(readers.read(ReadKind::list, [](Connection&) { return true; }));
  for (int number = 0; number < 6; ++number) hold(ReadKind::list);
  for (int number = 0; number < 50; ++number) {
    CHECK(readers.read(ReadKind::point, [](Connection&) { return true; }));
    std::this_thread::sleep_for(milliseconds{1});
  }
  go.count_down();
  for (auto& thread : threads) thread.join();
  CHECK(most_searching == 2);
}

TEST_CASE("reads that wait for a connection get it in the order in which they came") {
  ReadersUnderTest r;
  Readers readers = r.readers(1, std::chrono::seconds{60});
  std::vector<int> order;
  std::vector<std::thread> threads;
  readers.read(ReadKind::point, [&](Connection&) {
    for (int number = 0; number < 5; ++number) {
      std::latch coming(1);
      threads.emplace_back([&, number] {
        coming.count_down();
        readers.read(ReadKind::list, [&](Connection&) { order.push_back(number); });
      });
      coming.wait();
      // It is about to queue.
      std::this_thread::sleep_for(milliseconds{50});
    }
  });
  for (auto& thread : threads) thread.join();
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("a read that no connection comes free for is given up") {
  ReadersUnderTest r;
  Readers readers = r.readers(1, milliseconds{1});
  readers.read(ReadKind::point, [&](Connection&) {
    CHECK_THROWS_WITH(readers.read(ReadKind::point, [](Connection&) { return 1; }),
                      Catch::Contains("too many reads"));
  });
  CHECK(readers.read(ReadKind::point, [](Connection&) { return 1; }) == 1);
}

TEST_CASE("lists that are held back start when they need not wait any more, others at once") {
  ReadersUnderTest r;
  Readers readers = r.readers(2, std::chrono::seconds{60});
  r.lists_wait = true;
  std::atomic<bool> started{false};
  std::thread list([&] { readers.read(ReadKind::list, [&](Connection&) { started = true; }); });
  for (int number = 0; number < 50; ++number) {
    CHECK(readers.read(ReadKind::point, [](Connection&) { return true; }));
    std::this_thread::sleep_for(milliseconds{1});
  }
  CHECK_FALSE(started);
  r.lists_wait = false;
  list.join();
  CHECK(started);
}

TEST_CASE("a list of deliveries that may walk a long way is a search") {
  DeliveryFilter filter;
  CHECK_FALSE(is_search(filter, {1, 200}));
  CHECK(is_search(filter, {51, 200}));
  filter.status = DeliveryStatus::failed;
  CHECK_FALSE(is_search(filter, {50, 200}));
  filter.event_type = "user.created";
  CHECK(is_search(filter, {1, 1}));
}

}  // namespace
}  // namespace webhookd::test
