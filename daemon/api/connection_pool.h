#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "api/answerer.h"
#include "api/connection.h"
#include "api/file_descriptor.h"

namespace webhookd {

// Connections whose answers were made, on their way back to the poller. Thread-safe.
class Mailbox {
 public:
  Mailbox();
  // Readable when there is something to take, or after wake().
  int get() const { return event_.get(); }
  void put(Connection& connection);
  void wake();
  std::vector<Connection*> take();

 private:
  FileDescriptor event_;
  std::mutex mutex_;
  std::vector<Connection*> done_;
};

// Threads that answer complete requests, started as they are needed. A connection has one request
// under way at most, so the queue is as bounded as connections are.
class ConnectionPool {
 public:
  // Throws std::system_error when not even one of the threads can be started. `answer` is called on
  // a pool thread, with that thread's answerer, and must not throw. The handlers must outlive it.
  using Answer = std::function<void(Connection&, Answerer&)>;

  ConnectionPool(int threads, const HttpHandler& handler, const RefusalRenderer& refusal,
                 Answer answer);
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool() { stop(); }

  // By one thread at a time.
  void submit(Connection& connection);
  // After what is queued was answered. Idempotent, but not thread-safe.
  void stop();

 private:
  void start_thread();
  Connection* next();

  const std::size_t most_threads_;
  const HttpHandler& handler_;
  const RefusalRenderer& refusal_;
  const Answer answer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Connection*> queue_;
  std::size_t free_ = 0;  // threads that wait for work
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace webhookd
