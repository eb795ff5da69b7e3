#include "api/connection_poller.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "observe/log.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kEventsAtOnce = 256;
constexpr int kAcceptsAtOnce = 64;
constexpr milliseconds kAcceptPause{100};
// A request that holds no more than this is collected however full the common memory is, so that
// large bodies cannot keep small requests out.
constexpr std::size_t kAlwaysCollected = 4096;
// How long and how much a client may go on sending after its last answer: closing at once would
// reset the connection before the client has read why.
constexpr milliseconds kLingerTime{2'000};
constexpr std::size_t kLingerBytes = 16 * 1024 * 1024;
// For a connection that has sent nothing yet, before it may have to give way.
constexpr milliseconds kHeardWithin{1'000};
constexpr int kLookedAt = 64;  // for one that may give way, at most
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

constexpr Refusal kFull{503, "The server has too many requests under way"};

constexpr std::array kTimedPhases{Phase::idle, Phase::collecting, Phase::writing, Phase::lingering};

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

Monotonic deadline_of(Phase phase, Monotonic now, const ServerLimits& limits) {
  switch (phase) {
    case Phase::idle:
      return now + limits.idle_timeout;
    case Phase::collecting:
      return now + limits.request_deadline;
    case Phase::answering:
      return Monotonic::max();
    case Phase::writing:
      return now + limits.write_timeout;
    case Phase::lingering:
      return now + kLingerTime;
  }
  return now;
}

}  // namespace

ConnectionPoller::ConnectionPoller(ListeningSocket& listening, const ServerLimits& limits,
                                   Mailbox& mailbox, ConnectionPool& pool, const Handlers& handlers)
    : listening_(listening),
      limits_(limits),
      mailbox_(mailbox),
      pool_(pool),
      quick_(handlers.quick),
      answerer_(handlers.handler, handlers.refusal),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      scratch_(kReadBytes) {
  epoll_event listen_event{};
  listen_event.events = EPOLLIN;
  listen_event.data.ptr = &listening_;
  epoll_event mail_event{};
  mail_event.events = EPOLLIN;
  mail_event.data.ptr = &mailbox_;
  if (!epoll_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listening_.get(), &listen_event) != 0 ||
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, mailbox_.get(), &mail_event) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot watch connections");
  }
}

void ConnectionPoller::run(const std::atomic<bool>& stopping) {
  while (!stopping_ || has_work_under_way()) wait(stopping);
}

void ConnectionPoller::wait(const std::atomic<bool>& stopping) {
  now_ = std::chrono::steady_clock::now();
  std::array<epoll_event, kEventsAtOnce> events;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), kEventsAtOnce, milliseconds_to_next_deadline());
  now_ = std::chrono::steady_clock::now();
  bool mail = false;
  bool callers = false;
  for (int i = 0; i < count; ++i) {
    void* const about = events[static_cast<std::size_t>(i)].data.ptr;
    if (about == &mailbox_) {
      mail = true;
    } else if (about == &listening_) {
      callers = true;
    } else {
      on_ready(*static_cast<Connection*>(about));
    }
  }
  // Only now: these may close other connections than the one that an event is about.
  if (mail) {
    for (Connection* const connection : mailbox_.take()) on_answered(*connection);
  }
  make_room();
  expire();
  if (stopping && !stopping_) begin_stop();
  if (callers && !stopping_) accept_waiting();
}

int ConnectionPoller::milliseconds_to_next_deadline() const {
  Monotonic next = accept_again_at_.value_or(Monotonic::max());
  for (const Phase phase : kTimedPhases) {
    if (!in(phase).empty()) next = std::min(next, in(phase).front().deadline);
  }
  if (next == Monotonic::max()) return -1;
  if (next <= now_) return 0;
  constexpr milliseconds kLongest{60'000};
  return static_cast<int>(std::min(std::chrono::ceil<milliseconds>(next - now_), kLongest).count());
}

bool ConnectionPoller::has_work_under_way() const {
  return !in(Phase::answering).empty() || !in(Phase::writing).empty();
}

void ConnectionPoller::begin_stop() {
  stopping_ = true;
  accept_again_at_.reset();
  listening_.close();
  for (const Phase phase : {Phase::idle, Phase::collecting}) {
    while (!in(phase).empty()) close(in(phase).front());
  }
}

void ConnectionPoller::accept_waiting() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    auto result = accept_from(listening_);
    if (const int* const error = std::get_if<int>(&result)) {
      if (would_block(*error)) return;
      if (*error == ECONNABORTED || *error == EPROTO) continue;
      return pause_accepting(*error);
    }
    Accepted& accepted = std::get<Accepted>(result);
    if (open_ >= limits_.connections && !make_place()) {
      turn_away(std::move(accepted));
      continue;
    }
    Connections& idle = in(Phase::idle);
    Connection& connection = idle.emplace_back(std::move(accepted), limits_);
    connection.self = std::prev(idle.end());
    ++open_;
    enter(connection, Phase::idle);
    watch(connection, EPOLLIN);
  }
}

// Out of descriptors or memory, mostly: the waiting caller would be reported again at once.
void ConnectionPoller::pause_accepting(int error) {
  log::warn("msg=\"cannot accept a connection\" address={} error=\"{}\"", listening_.address(),
            std::generic_category().message(error));
  epoll_event event{};
  event.data.ptr = &listening_;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_.get(), &event);
  accept_again_at_ = now_ + kAcceptPause;
}

void ConnectionPoller::resume_accepting() {
  accept_again_at_.reset();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &listening_;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_.get(), &event);
}

// Who has been doing nothing for longest gives way to a new caller. Who has not been heard yet gets
// a moment: a crowd of callers must not close each other's connections unheard.
bool ConnectionPoller::make_place() {
  Connections& idle = in(Phase::idle);
  int looked_at = 0;
  for (auto place = idle.begin(); place != idle.end() && looked_at < kLookedAt; ++looked_at) {
    const auto candidate = place++;
    const Monotonic idle_since = candidate->deadline - limits_.idle_timeout;
    if (!candidate->was_served && now_ - idle_since < kHeardWithin) continue;
    close(*candidate);
    return true;
  }
  if (in(Phase::lingering).empty()) return false;
  close(in(Phase::lingering).front());
  return true;
}

void ConnectionPoller::turn_away(Accepted accepted) {
  Connection connection(std::move(accepted), limits_);
  connection.unsent = answerer_.refuse({503, "Too many connections"}, {}, AnswerFrame::Body::sent);
  send_unsent(connection);
}

void ConnectionPoller::on_ready(Connection& connection) {
  switch (connection.phase) {
    case Phase::idle:
    case Phase::collecting:
      return receive(connection);
    case Phase::writing:
      return on_sent(connection, send_unsent(connection));
    case Phase::lingering:
      return drain(connection);
    case Phase::answering:
      return unwatch(connection);
  }
}

void ConnectionPoller::receive(Connection& connection) {
  const ssize_t count = ::recv(connection.fd.get(), scratch_.data(), scratch_.size(), 0);
  if (count > 0) return take_in(connection, {scratch_.data(), static_cast<std::size_t>(count)});
  if (count < 0 && would_block(errno)) return watch(connection, EPOLLIN);
  close(connection);
}

void ConnectionPoller::take_in(Connection& connection, std::string_view bytes) {
  const bool is_new = connection.phase == Phase::idle;
  if (is_new) enter(connection, Phase::collecting);
  const Collector::Fed fed = connection.collector.feed(bytes);
  if (fed.progress == Collector::Progress::refused) {
    return refuse(connection, connection.collector.refusal());
  }
  connection.unread = bytes.substr(fed.consumed);
  count(connection, connection.collector.memory() + connection.unread.capacity());
  if (is_new && is_full() && connection.counted > kAlwaysCollected) {
    return refuse(connection, kFull);
  }
  if (fed.progress == Collector::Progress::complete) {
    return answer(connection);
  }
  if (connection.collector.take_continue()) {
    // A socket without room for this line has no client who waits for it.
    ::send(connection.fd.get(), kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  watch(connection, EPOLLIN);
}

void ConnectionPoller::answer(Connection& connection) {
  enter(connection, Phase::answering);
  connection.request = connection.collector.take();
  HttpRequest& request = connection.request->request;
  request.remote = connection.remote;
  request.peer = connection.peer;
  answerer_.identify(request);
  const auto respond = [this, &connection](HttpResponse response) {
    connection.response = std::move(response);
    mailbox_.put(connection);
  };
  if (!quick_ || !quick_(request, respond)) pool_.submit(connection);
}

// The newest give way, so that the oldest get done.
void ConnectionPoller::make_room() {
  Connections& collecting = in(Phase::collecting);
  auto after = collecting.end();
  while (is_full() && after != collecting.begin()) {
    const auto candidate = std::prev(after);
    if (candidate->counted > kAlwaysCollected) {
      refuse(*candidate, kFull);
    } else {
      after = candidate;
    }
  }
}

void ConnectionPoller::on_answered(Connection& connection) {
  if (connection.response) {
    connection.after = stopping_ ? AfterAnswer::close : connection.request->after;
    connection.unsent = answerer_.answer(connection.request->request,
                                         std::move(*connection.response), connection.after);
    connection.response.reset();
  }
  connection.request.reset();
  if (connection.hand_over) return hand_over(connection);
  count(connection, connection.unread.capacity());
  on_sent(connection, send_unsent(connection));
}

void ConnectionPoller::hand_over(Connection& connection) {
  unwatch(connection);
  connection.hand_over(std::move(connection.fd));
  close(connection);
}

void ConnectionPoller::on_sent(Connection& connection, Sent sent) {
  switch (sent) {
    case Sent::all:
      return on_written(connection);
    case Sent::some:
      // The time limit is for the whole answer, not for each piece of it.
      if (connection.phase != Phase::writing) enter(connection, Phase::writing);
      return watch(connection, EPOLLOUT);
    case Sent::broken:
      return close(connection);
  }
}

void ConnectionPoller::on_written(Connection& connection) {
  if (connection.after == AfterAnswer::close || stopping_) return linger(connection);
  enter(connection, Phase::idle);
  connection.was_served = true;
  if (connection.unread.empty()) return watch(connection, EPOLLIN);
  const std::string unread = std::exchange(connection.unread, {});
  take_in(connection, unread);
}

void ConnectionPoller::refuse(Connection& connection, const Refusal& refusal) {
  using Body = AnswerFrame::Body;
  const Collector& collector = connection.collector;
  connection.unsent = answerer_.refuse(refusal, collector.request_id(),
                                       collector.is_head() ? Body::left_out : Body::sent);
  connection.after = AfterAnswer::close;
  connection.collector.reset();
  free_text(connection.unread);
  count(connection, 0);
  on_sent(connection, send_unsent(connection));
}

void ConnectionPoller::linger(Connection& connection) {
  free_text(connection.unread);
  count(connection, 0);
  if (::shutdown(connection.fd.get(), SHUT_WR) != 0) return close(connection);
  enter(connection, Phase::lingering);
  watch(connection, EPOLLIN);
}

void ConnectionPoller::drain(Connection& connection) {
  const ssize_t count = ::recv(connection.fd.get(), scratch_.data(), scratch_.size(), 0);
  if (count == 0 || (count < 0 && !would_block(errno))) return close(connection);
  if (count > 0) connection.drained += static_cast<std::size_t>(count);
  if (connection.drained > kLingerBytes) return close(connection);
  watch(connection, EPOLLIN);
}

void ConnectionPoller::close(Connection& connection) {
  count(connection, 0);
  --open_;
  in(connection.phase).erase(connection.self);
}

void ConnectionPoller::expire() {
  for (const Phase phase : kTimedPhases) {
    while (!in(phase).empty() && in(phase).front().deadline <= now_) expire(in(phase).front());
  }
  if (accept_again_at_ && *accept_again_at_ <= now_) resume_accepting();
}

void ConnectionPoller::expire(Connection& connection) {
  if (connection.phase == Phase::collecting) {
    return refuse(connection, {408, "The request took too long to arrive"});
  }
  close(connection);
}

void ConnectionPoller::enter(Connection& connection, Phase phase) {
  Connections& to = in(phase);
  to.splice(to.end(), in(connection.phase), connection.self);
  connection.phase = phase;
  connection.deadline = deadline_of(phase, now_, limits_);
}

// Mostly it is watched already: a client sends its next request when it has its answer.
void ConnectionPoller::watch(Connection& connection, std::uint32_t events) {
  if (connection.watched == events) return;
  epoll_event event{};
  event.events = events;
  event.data.ptr = &connection;
  const int change = connection.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_.get(), change, connection.fd.get(), &event) != 0) {
    return close(connection);
  }
  connection.watched = events;
}

// A connection whose request is under way is not reported again and again, and not for its end
// either, which no set of events would leave out.
void ConnectionPoller::unwatch(Connection& connection) {
  if (connection.watched == 0) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, connection.fd.get(), nullptr);
  connection.watched = 0;
}

void ConnectionPoller::count(Connection& connection, std::size_t bytes) {
  counted_ += bytes;
  counted_ -= connection.counted;
  connection.counted = bytes;
}

}  // namespace webhookd
