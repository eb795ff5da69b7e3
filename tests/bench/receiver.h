#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "bench/http_message.h"
#include "bench/socket.h"

namespace webhookd::bench {

// What a handler returns for a request that is never to be answered.
inline constexpr int kNoAnswer = 0;

// An HTTP/1.1 keep-alive server on 127.0.0.1, one thread for all connections, that answers every
// request at once with an empty body. Public members are thread-safe.
class Receiver {
 public:
  // Called on the receiver's thread for each complete request; returns the answer's status or
  // kNoAnswer. The message is valid during the call only.
  using Handler = std::function<int(const HttpMessage& request)>;

  // Answers 200.
  Receiver();
  explicit Receiver(Handler handler);
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver();  // ends the thread

  std::uint16_t port() const { return listener_.port; }
  std::string url(const std::string& path) const;
  std::uint64_t requests() const { return requests_.load(); }        // complete ones
  std::uint64_t connections() const { return connections_.load(); }  // accepted so far

  // Throws Failed when the receiver met something that it cannot go on with.
  void check() const;

 private:
  struct Connection {
    FileDescriptor socket;
    std::string unread;  // the beginning of a request
    std::string unsent;
    bool waits_for_room = false;
  };

  void serve();
  void accept_all();
  void on_events(int fd, std::uint32_t events);
  bool read_some(Connection& connection);
  std::size_t answer_all(Connection& connection, std::string_view bytes);
  bool send_unsent(Connection& connection);
  void watch(int fd, std::uint32_t events, int operation);
  void note_fault(const std::string& reason);

  const Handler handler_;
  Listener listener_;
  FileDescriptor epoll_;
  FileDescriptor stop_;
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> connections_{0};

  // The receiver's thread only.
  std::unordered_map<int, std::unique_ptr<Connection>> open_;
  std::string buffer_;

  mutable std::mutex mutex_;
  std::string fault_;  // the first one; guarded by mutex_

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace webhookd::bench
