#include "bench/load_generator.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "bench/http_message.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kShownBytes = 300;

class LoadRun {
 public:
  explicit LoadRun(const LoadPlan& plan);
  LoadResult run();

 private:
  struct Client {
    FileDescriptor socket;
    std::size_t request = 0;
    std::string unsent;
    std::string unread;
    bool waits_for_room = false;
  };

  bool has_schedule() const { return plan_.interval > nanoseconds{0}; }
  Monotonic due(std::size_t request) const {
    return began_ + plan_.interval * static_cast<nanoseconds::rep>(request);
  }
  void open_clients();
  void watch(int fd, std::uint32_t events, std::uint64_t what, int operation);
  void start_what_is_due();
  void start(std::size_t client);
  void wait();
  void arm_timer();
  void send_unsent(std::size_t client);
  void read_answer(std::size_t client);
  void finish(std::size_t client, const HttpMessage& answer);

  const LoadPlan& plan_;
  FileDescriptor epoll_;
  FileDescriptor timer_;  // for the next request of a schedule
  std::vector<Client> clients_;
  std::vector<std::size_t> free_;
  std::vector<Exchange> exchanges_;
  std::size_t answered_ = 0;
  bool stopped_ = false;  // nothing more is started
  Monotonic began_;
  Monotonic last_answer_;
  std::string buffer_;
};

constexpr std::uint64_t kTimer = ~std::uint64_t{0};

LoadRun::LoadRun(const LoadPlan& plan)
    : plan_(plan),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      buffer_(kReadBytes, '\0') {
  if (!epoll_ || !timer_) fail_with_errno("load generator");
  watch(timer_.get(), EPOLLIN, kTimer, EPOLL_CTL_ADD);
  exchanges_.reserve(plan_.requests);
  open_clients();
}

void LoadRun::open_clients() {
  for (std::size_t i = 0; i < static_cast<std::size_t>(plan_.connections); ++i) {
    Client client;
    client.socket = connect_to(plan_.target);
    make_nonblocking(client.socket);
    watch(client.socket.get(), EPOLLIN, i, EPOLL_CTL_ADD);
    clients_.push_back(std::move(client));
    free_.push_back(i);
  }
}

void LoadRun::watch(int fd, std::uint32_t events, std::uint64_t what, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = what;
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) fail_with_errno("epoll_ctl");
}

LoadResult LoadRun::run() {
  began_ = last_answer_ = std::chrono::steady_clock::now();
  start_what_is_due();
  while (answered_ < exchanges_.size() || !stopped_) {
    wait();
    start_what_is_due();
    if (std::chrono::steady_clock::now() - began_ > plan_.time_limit) {
      throw Failed("after " + std::to_string(plan_.time_limit.count()) + " ms only " +
                   std::to_string(answered_) + " of " + std::to_string(exchanges_.size()) +
                   " requests were answered");
    }
  }
  return {began_, last_answer_, std::move(exchanges_)};
}

void LoadRun::start_what_is_due() {
  while (!stopped_ && !free_.empty()) {
    const Monotonic now = std::chrono::steady_clock::now();
    if (exchanges_.size() == plan_.requests || now - began_ > plan_.stop_after) {
      stopped_ = true;
    } else if (has_schedule() && due(exchanges_.size()) > now) {
      arm_timer();
      return;
    } else {
      const std::size_t client = free_.back();
      free_.pop_back();
      start(client);
    }
  }
}

void LoadRun::start(std::size_t index) {
  Client& client = clients_[index];
  client.request = exchanges_.size();
  client.unsent.clear();
  plan_.write_request(client.request, client.unsent);
  const Monotonic now = std::chrono::steady_clock::now();
  exchanges_.push_back({has_schedule() ? due(client.request) : now, now, {}});
  send_unsent(index);
}

void LoadRun::arm_timer() {
  const auto since_epoch = due(exchanges_.size()).time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_epoch);
  itimerspec when{};
  when.it_value.tv_sec = whole.count();
  when.it_value.tv_nsec = nanoseconds{since_epoch - whole}.count();
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) != 0) {
    fail_with_errno("timerfd_settime");
  }
}

void LoadRun::wait() {
  constexpr int kCheckEvery = 20;  // milliseconds: how late the time limit may be noticed
  std::array<epoll_event, 256> events{};
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), kCheckEvery);
  if (count < 0 && errno != EINTR) fail_with_errno("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kTimer) {
      std::uint64_t expired = 0;
      static_cast<void>(!::read(timer_.get(), &expired, sizeof expired));
      continue;
    }
    const auto client = static_cast<std::size_t>(event.data.u64);
    if ((event.events & EPOLLOUT) != 0) send_unsent(client);
    if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) read_answer(client);
  }
}

void LoadRun::send_unsent(std::size_t index) {
  Client& client = clients_[index];
  const ssize_t count =
      ::send(client.socket.get(), client.unsent.data(), client.unsent.size(), MSG_NOSIGNAL);
  if (count < 0 && errno != EAGAIN && errno != EINTR) fail_with_errno("send a request");
  if (count > 0) client.unsent.erase(0, static_cast<std::size_t>(count));
  const bool waits = !client.unsent.empty();
  if (waits == client.waits_for_room) return;
  client.waits_for_room = waits;
  watch(client.socket.get(), waits ? EPOLLIN | EPOLLOUT : EPOLLIN, index, EPOLL_CTL_MOD);
}

void LoadRun::read_answer(std::size_t index) {
  Client& client = clients_[index];
  const ssize_t count = ::recv(client.socket.get(), buffer_.data(), buffer_.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) fail_with_errno("read an answer");
  if (count == 0) throw Failed("the server closed a connection");
  const std::string_view bytes{buffer_.data(), static_cast<std::size_t>(count)};
  if (client.unread.empty()) {
    if (const auto answer = first_message(bytes)) return finish(index, *answer);
  }
  client.unread += bytes;
  if (const auto answer = first_message(client.unread)) finish(index, *answer);
}

void LoadRun::finish(std::size_t index, const HttpMessage& answer) {
  if (status_of(answer) != plan_.expected_status) {
    throw Failed("expected status " + std::to_string(plan_.expected_status) +
                 ", got: " + std::string{answer.start_line} + " " +
                 std::string{answer.body.substr(0, kShownBytes)});
  }
  Client& client = clients_[index];
  last_answer_ = exchanges_[client.request].answered = std::chrono::steady_clock::now();
  ++answered_;
  client.unread.clear();
  free_.push_back(index);
}

}  // namespace

LoadResult run_load(const LoadPlan& plan) { return LoadRun(plan).run(); }

}  // namespace webhookd::bench
