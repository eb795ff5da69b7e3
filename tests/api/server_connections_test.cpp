// Longer than most: what connections do to a server, with the clients that do it.

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <semaphore>
#include <thread>

#include "api/server_fixture.h"

namespace webhookd {
namespace {

using namespace std::chrono_literals;

// A handler that says when it is in, and answers when it may.
struct Gate {
  std::counting_semaphore<> entered{0};
  std::counting_semaphore<> may_leave{0};

  HttpHandler handler() {
    return [this](const HttpRequest& request) {
      if (request.path == "/gate") {
        entered.release();
        may_leave.acquire();
      }
      return echo(request);
    };
  }
};

std::ptrdiff_t threads_of_process() {
  // One that was just joined may still be listed.
  std::this_thread::sleep_for(50ms);
  return std::ranges::distance(std::filesystem::directory_iterator("/proc/self/task"));
}

HttpHandler large_answers(std::size_t bytes) {
  return [bytes](const HttpRequest&) {
    HttpResponse response;
    response.body.assign(bytes, 'x');
    return response;
  };
}

// While it lives the process can open no more files.
class NoFreeDescriptors {
 public:
  NoFreeDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = 200;
    ::setrlimit(RLIMIT_NOFILE, &low);
    while (true) {
      FileDescriptor fd(::dup(STDERR_FILENO));
      if (!fd) return;
      taken_.push_back(std::move(fd));
    }
  }
  NoFreeDescriptors(const NoFreeDescriptors&) = delete;
  NoFreeDescriptors& operator=(const NoFreeDescriptors&) = delete;
  ~NoFreeDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  void free_one() { taken_.pop_back(); }

 private:
  rlimit before_{};
  std::vector<FileDescriptor> taken_;
};

std::chrono::microseconds cpu_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

}  // namespace

TEST_CASE("2,000 idle connections and half requests hold no thread and little memory") {
  // Each has two ends in this process; where it may not have so many files, there are fewer.
  const std::size_t count = std::min<std::size_t>(2000, (raise_open_files() - 200) / 4 * 2);
  REQUIRE(count >= 200);
  const auto server = serve(echo, {}, 1);
  RawClient busy(server->address());
  const std::size_t before = resident_memory_kib();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->address()));
    if (i % 2 == 0) REQUIRE(clients.back()->send("GET / HTTP/1.1\r\nHo"));
  }
  REQUIRE(busy.send(get_request("/")));
  CHECK(busy.receive()->status == 200);
  CHECK(resident_memory_kib() < before + with_sanitizer(16 * 1024));
  for (const std::size_t i : {std::size_t{0}, count - 2}) {
    REQUIRE(clients[i]->send("st: h\r\n\r\n"));
    CHECK(clients[i]->receive()->status == 200);
  }
}

TEST_CASE("a slow reader gets its whole answer and holds no thread meanwhile") {
  constexpr std::size_t kBytes = 32 * 1024 * 1024;
  const auto server = serve(large_answers(kBytes), {}, 1);
  RawClient slow(server->address());
  REQUIRE(slow.send(get_request("/")));
  for (int i = 0; i < 3; ++i) {
    RawClient other(server->address());
    REQUIRE(other.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK(other.receive(RawClient::Body::none)->status == 200);
  }
  const auto answer = slow.receive();
  REQUIRE(answer);
  CHECK(answer->body.size() == kBytes);
  CHECK(std::count(answer->body.begin(), answer->body.end(), 'x') ==
        static_cast<std::ptrdiff_t>(kBytes));
  REQUIRE(slow.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"));
  CHECK(slow.receive(RawClient::Body::none)->status == 200);
}

TEST_CASE("a reader that takes longer than the write timeout is cut off") {
  ServerLimits limits;
  limits.write_timeout = 200ms;
  const auto server = serve(large_answers(32 * 1024 * 1024), limits);
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/")));
  // Ends only when the door closes, since nothing is read here until then.
  const auto begin = std::chrono::steady_clock::now();
  while (client.send("x") && std::chrono::steady_clock::now() - begin < kPatience) {
    std::this_thread::yield();
  }
  CHECK(std::chrono::steady_clock::now() - begin < kPatience);
  CHECK_FALSE(client.receive());
}

TEST_CASE("a client that leaves during its request harms nobody") {
  Gate gate;
  const auto server = serve(gate.handler());
  for (int i = 0; i < 10; ++i) {
    auto client = std::make_unique<RawClient>(server->address());
    REQUIRE(client->send(get_request("/gate") + get_request("/more")));
    gate.entered.acquire();
    const linger reset{1, 0};
    if (i % 2 == 0) ::setsockopt(client->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    client.reset();
    gate.may_leave.release();
  }
  RawClient other(server->address());
  REQUIRE(other.send(get_request("/")));
  CHECK(other.receive()->status == 200);
}

TEST_CASE("above the cap of busy connections a new one is turned away, and has room later") {
  Gate gate;
  ServerLimits limits;
  limits.connections = 2;
  const auto server = serve(gate.handler(), limits);
  auto first = std::make_unique<RawClient>(server->address());
  RawClient second(server->address());
  for (RawClient* const busy : {first.get(), &second}) {
    REQUIRE(busy->send(get_request("/gate")));
    gate.entered.acquire();
  }
  RawClient third(server->address());
  const auto refused = third.receive();
  REQUIRE(refused);
  CHECK(refused->status == 503);
  CHECK(third.sees_end());
  gate.may_leave.release(2);
  CHECK(second.receive()->status == 200);
  CHECK(first->receive()->status == 200);
  first.reset();
  RawClient again(server->address());
  REQUIRE(again.send(get_request("/")));
  CHECK(again.receive()->status == 200);
}

TEST_CASE("at the cap the connection that has been idle for longest gives way") {
  ServerLimits limits;
  limits.connections = 2;
  const auto server = serve(echo, limits);
  RawClient first(server->address());
  RawClient second(server->address());
  for (RawClient* const client : {&second, &first, &second}) {
    REQUIRE(client->send(get_request("/")));
    REQUIRE(client->receive());
  }
  RawClient third(server->address());
  REQUIRE(third.send(get_request("/")));
  CHECK(third.receive()->status == 200);
  CHECK(first.sees_end());
  REQUIRE(second.send(get_request("/")));
  CHECK(second.receive()->status == 200);
}

TEST_CASE("at the cap callers who were not heard yet do not give way to each other") {
  ServerLimits limits;
  limits.connections = 2;
  const auto server = serve(echo, limits);
  RawClient first(server->address());
  RawClient second(server->address());
  RawClient third(server->address());
  CHECK(third.receive()->status == 503);
  for (RawClient* const client : {&first, &second}) {
    REQUIRE(client->send(get_request("/")));
    CHECK(client->receive()->status == 200);
  }
}

TEST_CASE("at the cap a connection that has had its last answer gives way") {
  ServerLimits limits;
  limits.connections = 1;
  const auto server = serve(echo, limits);
  RawClient first(server->address());
  REQUIRE(first.send("GET / HTTP/1.0\r\n\r\n"));
  REQUIRE(first.receive());
  REQUIRE(first.sees_end());
  RawClient second(server->address());
  REQUIRE(second.send(get_request("/")));
  CHECK(second.receive()->status == 200);
}

TEST_CASE("a crowd of new callers does not close each other's connections unheard") {
  ServerLimits limits;
  limits.connections = 2;
  const auto server = bind_server(TcpAddress{"127.0.0.1", 0}, limits, 2, echo, render_refusal);
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 4; ++i) {
    crowd.push_back(std::make_unique<RawClient>(server->address()));
    if (i < 2) REQUIRE(crowd.back()->send(get_request("/")));
  }
  server->start();
  std::vector<int> statuses;
  for (const auto& client : crowd) statuses.push_back(client->receive().value_or(Answer{}).status);
  CHECK(statuses == std::vector<int>{200, 200, 503, 503});
}

TEST_CASE("stop answers what is under way, closes the rest and lets nobody in") {
  Gate gate;
  const auto server = serve(gate.handler(), {}, 1);
  RawClient idle(server->address());
  RawClient half(server->address());
  RawClient active(server->address());
  RawClient queued(server->address());
  REQUIRE(idle.send(get_request("/")));
  REQUIRE(idle.receive());
  REQUIRE(half.send("GET / HT"));
  REQUIRE(active.send(get_request("/gate")));
  gate.entered.acquire();
  REQUIRE(queued.send(get_request("/queued")));
  // Answered by the poller itself, which thus has read what came before it.
  RawClient marker(server->address());
  REQUIRE(marker.send("bad\r\n"));
  REQUIRE(marker.receive()->status == 400);
  auto stopped = std::async(std::launch::async, [&server] { server->stop(); });
  CHECK(idle.sees_end());
  CHECK(half.sees_end());
  CHECK_THROWS(RawClient(server->address()));
  CHECK(stopped.wait_for(0ms) == std::future_status::timeout);
  gate.may_leave.release();
  const auto answer = active.receive();
  REQUIRE(answer);
  CHECK(answer->body == "GET /gate ");
  CHECK(active.sees_end());
  CHECK(queued.receive()->body == "GET /queued ");
  stopped.get();
  server->stop();
}

TEST_CASE("stop ends with a slow reader's answer under way") {
  ServerLimits limits;
  limits.write_timeout = 300ms;
  const auto server = serve(large_answers(32 * 1024 * 1024), limits);
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/")));
  RawClient other(server->address());
  REQUIRE(other.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"));
  REQUIRE(other.receive(RawClient::Body::none));
  const auto begin = std::chrono::steady_clock::now();
  server->stop();
  CHECK(std::chrono::steady_clock::now() - begin < kPatience);
}

TEST_CASE("without free descriptors the door waits instead of spinning, and comes back") {
  const auto server = serve(echo);
  RawClient first(server->address());
  REQUIRE(first.send(get_request("/")));
  REQUIRE(first.receive());
  // No assertion while there are none: the undefined behaviour sanitizer needs some for its checks.
  auto none = std::make_unique<NoFreeDescriptors>();
  none->free_one();
  RawClient waiting(server->address());
  bool served = waiting.send(get_request("/"));
  const auto cpu_before = cpu_time();
  for (int i = 0; i < 20; ++i) {
    served = served && first.send(get_request("/")) && first.receive();
    std::this_thread::sleep_for(20ms);
  }
  const auto cpu_used = cpu_time() - cpu_before;
  pollfd answered{waiting.get(), POLLIN, 0};
  const int answers = ::poll(&answered, 1, 0);
  none.reset();
  CHECK(served);
  CHECK(answers == 0);
  CHECK(cpu_used < 200ms);
  CHECK(waiting.receive()->status == 200);
}

TEST_CASE("clients that send more or leave amid their request keep no thread busy") {
  Gate gate;
  const auto server = serve(gate.handler(), {}, 1);
  RawClient eager(server->address());
  REQUIRE(eager.send(get_request("/gate")));
  gate.entered.acquire();
  REQUIRE(eager.send(get_request("/next")));
  {
    RawClient gone(server->address());
    REQUIRE(gone.send(get_request("/gone")));
  }
  const auto cpu_before = cpu_time();
  std::this_thread::sleep_for(400ms);
  CHECK(cpu_time() - cpu_before < 200ms);
  gate.may_leave.release();
  CHECK(eager.receive()->body == "GET /gate ");
  CHECK(eager.receive()->body == "GET /next ");
}

TEST_CASE("a connection that is handed over belongs to its taker, and no stop waits for it") {
  std::mutex mutex;
  std::vector<FileDescriptor> taken;
  const auto server = serve(
      [&](const HttpRequest&) {
        HttpResponse response;
        response.hand_over = [&](FileDescriptor socket) {
          const std::lock_guard lock(mutex);
          static_cast<void>(::send(socket.get(), "mine\n", 5, MSG_NOSIGNAL));
          taken.push_back(std::move(socket));
        };
        return response;
      },
      {}, 1);
  // More than there are threads.
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->address()));
    REQUIRE(clients.back()->send(get_request("/")));
    char line[5];
    pollfd waiting{clients.back()->get(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) ==
            1);
    REQUIRE(::recv(clients.back()->get(), line, sizeof(line), MSG_WAITALL) == 5);
    CHECK(std::string(line, 5) == "mine\n");
  }
  server->stop();
  const std::lock_guard lock(mutex);
  CHECK(taken.size() == 3);
  taken.clear();
  CHECK(clients[0]->sees_end());
}

TEST_CASE("a pool starts its threads as they are needed, and no more than it may have") {
  const auto before = threads_of_process();
  Gate gate;
  const auto server = serve(gate.handler(), {}, 4);
  CHECK(threads_of_process() - before == 2);  // the poller and one that waits for requests
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->address()));
    REQUIRE(clients.back()->send(get_request("/gate")));
  }
  for (int i = 0; i < 4; ++i) CHECK(gate.entered.try_acquire_for(kPatience));
  CHECK(threads_of_process() - before == 5);
  gate.may_leave.release(6);
  for (const auto& client : clients) CHECK(client->receive());
}

TEST_CASE("many connections on many threads keep their answers apart") {
  const auto server = serve(echo, {}, 4);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&server, &right, t] {
      RawClient client(server->address());
      for (int i = 0; i < 200; ++i) {
        const std::string body = std::to_string(t) + "-" + std::to_string(i);
        if (!client.send(post_request("/p", body))) return;
        const auto answer = client.receive();
        if (answer && answer->body == "POST /p " + body) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 8 * 200);
}

}  // namespace webhookd
