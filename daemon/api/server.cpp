#include "api/server.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "api/answerer.h"
#include "api/connection_poller.h"
#include "api/connection_pool.h"
#include "api/socket_binding.h"

namespace webhookd {
namespace {

class Door final : public Server {
 public:
  Door(const std::variant<TcpAddress, SocketPath>& where, const ServerLimits& limits, int threads,
       HttpHandler handler, RefusalRenderer refusal, QuickHandler quick)
      : limits_(limits),
        handler_(std::move(handler)),
        refusal_(std::move(refusal)),
        quick_(std::move(quick)),
        listening_(where),
        address_(listening_.address()),
        pool_(std::max(threads, 1), handler_, refusal_,
              [this](Connection& connection, Answerer& answerer) { answer(connection, answerer); }),
        poller_(listening_, limits_, mailbox_, pool_, {handler_, refusal_, quick_}) {}
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  ~Door() override { stop(); }

  std::string address() const override { return address_; }

  void start() override {
    thread_ = std::thread([this] { poller_.run(stopping_); });
  }

  void begin_stop() override {
    stopping_ = true;
    mailbox_.wake();
  }

  void stop() override {
    begin_stop();
    const std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    thread_.join();
    pool_.stop();
  }

 private:
  void answer(Connection& connection, Answerer& answerer) {
    connection.after = stopping_ ? AfterAnswer::close : connection.request->after;
    connection.unsent = answerer.answer(connection.request->request, connection.after);
    connection.hand_over = answerer.take_hand_over();
    if (connection.hand_over) return mailbox_.put(connection);
    // Here and not by the poller: most answers leave at once, on as many threads as there are.
    send_unsent(connection);
    mailbox_.put(connection);
  }

  const ServerLimits limits_;
  const HttpHandler handler_;
  const RefusalRenderer refusal_;
  const QuickHandler quick_;
  ListeningSocket listening_;
  const std::string address_;
  std::atomic<bool> stopping_{false};
  Mailbox mailbox_;
  ConnectionPool pool_;
  ConnectionPoller poller_;
  std::mutex stop_mutex_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Server> bind_server(const std::variant<TcpAddress, SocketPath>& where,
                                    const ServerLimits& limits, int threads, HttpHandler handler,
                                    RefusalRenderer refusal, QuickHandler quick) {
  return std::make_unique<Door>(where, limits, threads, std::move(handler), std::move(refusal),
                                std::move(quick));
}

}  // namespace webhookd
