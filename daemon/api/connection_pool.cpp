#include "api/connection_pool.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>
#include <utility>

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
    : answer_(std::move(answer)) {
  try {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, &handler, &refusal] {
        Answerer answerer(handler, refusal);
        while (Connection* const connection = next()) answer_(*connection, answerer);
      });
    }
  } catch (...) {
    stop();
    throw;
  }
}

void ConnectionPool::submit(Connection& connection) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(&connection);
  }
  changed_.notify_one();
}

Connection* ConnectionPool::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
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
