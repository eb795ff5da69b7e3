#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <optional>
#include <string_view>
#include <vector>

#include "api/answerer.h"
#include "api/connection.h"
#include "api/connection_pool.h"
#include "api/socket_binding.h"

namespace webhookd {

// The one thread of a door that owns its connections: accepts, collects, flushes what slow readers
// leave, keeps the deadlines, closes. Only complete requests leave it, for the pool, and come back
// by the mailbox.
//
// Each phase's connections are in a list in the order in which they came into it. Since a phase's
// time limit is the same for all, the first of a list is the next to expire: no timer costs more
// when there are more connections.
class ConnectionPoller {
 public:
  struct Handlers {
    const HttpHandler& handler;
    const RefusalRenderer& refusal;
    const QuickHandler& quick;  // may be null
  };

  // All references must outlive the poller. Throws std::system_error.
  ConnectionPoller(ListeningSocket& listening, const ServerLimits& limits, Mailbox& mailbox,
                   ConnectionPool& pool, const Handlers& handlers);

  // Until `stopping` is true (then the mailbox must be woken) and what is under way was answered
  // and written. Closes the listening socket first.
  void run(const std::atomic<bool>& stopping);

 private:
  using Connections = std::list<Connection>;

  void wait(const std::atomic<bool>& stopping);
  int milliseconds_to_next_deadline() const;
  bool has_work_under_way() const;
  void begin_stop();

  void accept_waiting();
  void pause_accepting(int error);
  void resume_accepting();
  bool make_place();
  void turn_away(Accepted accepted);

  void on_ready(Connection& connection);
  void receive(Connection& connection);
  void take_in(Connection& connection, std::string_view bytes);
  bool is_full() const { return counted_ > limits_.collecting_bytes; }
  void make_room();
  void answer(Connection& connection);
  void on_answered(Connection& connection);
  void hand_over(Connection& connection);
  void on_sent(Connection& connection, Sent sent);
  void on_written(Connection& connection);
  void refuse(Connection& connection, const Refusal& refusal);
  void linger(Connection& connection);
  void drain(Connection& connection);
  void close(Connection& connection);

  void expire();
  void expire(Connection& connection);
  void enter(Connection& connection, Phase phase);
  void watch(Connection& connection, std::uint32_t events);
  void unwatch(Connection& connection);
  void count(Connection& connection, std::size_t bytes);
  Connections& in(Phase phase) { return connections_[static_cast<std::size_t>(phase)]; }
  const Connections& in(Phase phase) const { return connections_[static_cast<std::size_t>(phase)]; }

  ListeningSocket& listening_;
  const ServerLimits& limits_;
  Mailbox& mailbox_;
  ConnectionPool& pool_;
  const QuickHandler& quick_;
  Answerer answerer_;
  FileDescriptor epoll_;
  std::array<Connections, kPhases> connections_;
  std::size_t open_ = 0;
  std::size_t counted_ = 0;
  std::vector<char> scratch_;
  Monotonic now_{};
  std::optional<Monotonic> accept_again_at_;
  bool stopping_ = false;
};

}  // namespace webhookd
