#include "bench/receiver.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <exception>
#include <utility>

namespace webhookd::bench {
namespace {

constexpr std::size_t kReceiveBytes = 256 * 1024;

void append_answer(std::string& out, int status) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    return;
  }
  out += "HTTP/1.1 " + std::to_string(status) + " Other\r\nContent-Length: 0\r\n\r\n";
}

}  // namespace

Receiver::Receiver() : Receiver([](const HttpMessage&) { return 200; }) {}

Receiver::Receiver(Handler handler)
    : handler_(std::move(handler)),
      listener_(listen_on_loopback()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(kReceiveBytes, '\0') {
  if (!epoll_ || !stop_) fail_with_errno("receiver");
  watch(listener_.socket.get(), EPOLLIN, EPOLL_CTL_ADD);
  watch(stop_.get(), EPOLLIN, EPOLL_CTL_ADD);
  thread_ = std::thread(&Receiver::serve, this);
}

Receiver::~Receiver() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

std::string Receiver::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port()) + path;
}

void Receiver::check() const {
  const std::lock_guard lock(mutex_);
  if (!fault_.empty()) throw Failed("receiver: " + fault_);
}

void Receiver::note_fault(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (fault_.empty()) fault_ = reason;
}

void Receiver::watch(int fd, std::uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) fail_with_errno("epoll_ctl");
}

void Receiver::serve() {
  std::array<epoll_event, 512> events{};
  try {
    for (;;) {
      const int count =
          ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) fail_with_errno("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.fd == stop_.get()) return;
        if (event.data.fd == listener_.socket.get()) {
          accept_all();
        } else {
          on_events(event.data.fd, event.events);
        }
      }
    }
  } catch (const std::exception& fault) {
    note_fault(fault.what());
  }
}

void Receiver::accept_all() {
  for (;;) {
    FileDescriptor socket{
        ::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket) {
      if (errno == EAGAIN) return;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      fail_with_errno("accept");
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int fd = socket.get();
    auto connection = std::make_unique<Connection>();
    connection->socket = std::move(socket);
    open_.insert_or_assign(fd, std::move(connection));
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    ++connections_;
  }
}

void Receiver::on_events(int fd, std::uint32_t events) {
  const auto found = open_.find(fd);
  if (found == open_.end()) return;
  Connection& connection = *found->second;
  bool keep = true;
  try {
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) keep = read_some(connection);
    keep = keep && send_unsent(connection);
  } catch (const Failed& fault) {
    note_fault(fault.what());
    keep = false;
  }
  if (!keep) open_.erase(found);
}

// False when the peer has gone.
bool Receiver::read_some(Connection& connection) {
  const ssize_t count = ::recv(connection.socket.get(), buffer_.data(), buffer_.size(), 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  std::string_view bytes{buffer_.data(), static_cast<std::size_t>(count)};
  if (connection.unread.empty()) {
    bytes.remove_prefix(answer_all(connection, bytes));
    connection.unread = bytes;
    return true;
  }
  connection.unread += bytes;
  connection.unread.erase(0, answer_all(connection, connection.unread));
  return true;
}

// Bytes that were complete requests.
std::size_t Receiver::answer_all(Connection& connection, std::string_view bytes) {
  std::size_t done = 0;
  while (const auto request = first_message(bytes.substr(done))) {
    const int status = handler_(*request);
    ++requests_;
    if (status != kNoAnswer) append_answer(connection.unsent, status);
    done += request->size;
  }
  return done;
}

// False when the peer has gone.
bool Receiver::send_unsent(Connection& connection) {
  if (!connection.unsent.empty()) {
    const ssize_t count = ::send(connection.socket.get(), connection.unsent.data(),
                                 connection.unsent.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) connection.unsent.erase(0, static_cast<std::size_t>(count));
  }
  const bool waits = !connection.unsent.empty();
  if (waits != connection.waits_for_room) {
    connection.waits_for_room = waits;
    const std::uint32_t events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN;
    watch(connection.socket.get(), events, EPOLL_CTL_MOD);
  }
  return true;
}

}  // namespace webhookd::bench
