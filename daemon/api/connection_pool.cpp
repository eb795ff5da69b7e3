#include "api/connection_pool.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "observe/log.h"

namespace webhookd {

Mailbox::Mailbox() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
}

void Mailbox::put(Connection& connection) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = done_.empty();
    done_.push_back(&connection);
  }
  // Whoever put the first has woken the poller, which takes them all.
  if (first) wake();
}

void Mailbox::wake() { ::eventfd_write(event_.get(), 1); }

std::vector<Connection*> Mailbox::take() {
  // Before the taking: what is put after it wakes again.
  eventfd_t ignored = 0;
  ::eventfd_read(event_.get(), &ignored);
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

ConnectionPool::ConnectionPool(int threads, const HttpHandler& handler,
                               const RefusalRenderer& refusal, Answer answer)
    : most_threads_(static_cast<std::size_t>(threads)),
      handler_(handler),
      refusal_(refusal),
      answer_(std::move(answer)) {
  start_thread();
}

void ConnectionPool::start_thread() {
  threads_.emplace_back([this] {
    Answerer answerer(handler_, refusal_);
    while (Connection* const connection = next()) answer_(*connection, answerer);
  });
}

void ConnectionPool::submit(Connection& connection) {
  bool lacks_threads = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(&connection);
    lacks_threads = queue_.size() > free_;
  }
  if (lacks_threads && threads_.size() < most_threads_) {
    try {
      start_thread();
    } catch (const std::system_error& error) {
      // Those that there are get round to it.
      log::warn("msg=\"cannot start a thread\" error=\"{}\"", error.what());
    }
  }
  changed_.notify_one();
}

Connection* ConnectionPool::next() {
  std::unique_lock lock(mutex_);
  ++free_;
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  --free_;
  if (queue_.empty()) return nullptr;
  Connection* const connection = queue_.front();
  queue_.pop_front();
  return connection;
}

void ConnectionPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace webhookd
