#pragma once

// One door: a listening socket, one poller thread that collects a bounded, complete request per
// connection, and a pool of threads that answer them. Idle and slow clients hold no thread.
//
// A stream (server-sent events) leaves the door: the handler's response names who takes the
// connection over, and the poller gives it away in place of an answer. It then holds no thread of
// the door and counts for none of its bounds.

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "api/http.h"

namespace webhookd {

struct ServerLimits {
  std::size_t request_line_bytes = 8 * 1024;
  std::size_t header_bytes = 32 * 1024;  // all header lines together
  std::size_t header_count = 100;
  std::size_t body_bytes = 1024 * 1024;            // after de-chunking
  std::size_t batch_body_bytes = 8 * 1024 * 1024;  // for /api/v1/events/batch
  std::size_t connections = 10'000;
  // Memory for requests that are being collected or answered, over all connections. Beyond it the
  // newest of those that hold more than 4 KiB are answered 503.
  std::size_t collecting_bytes = 48 * 1024 * 1024;
  std::chrono::milliseconds request_deadline{30'000};  // first byte to last
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds write_timeout{30'000};  // for the whole answer
};

struct TcpAddress {
  std::string host;
  std::uint16_t port = 0;  // 0: any
};

// Bound in a 0700 directory of its own, given `mode` and group, renamed into place.
struct SocketPath {
  std::filesystem::path path;
  int mode = 0600;  // 0660 with a group
  std::optional<gid_t> group;
};

class Server {
 public:
  virtual ~Server() = default;              // stops
  virtual std::string address() const = 0;  // "unix:PATH" or "http://HOST:PORT"
  // Serves those who have been waiting since it was bound, and all others. Call once, and before
  // anything that stops it.
  virtual void start() = 0;
  // Has the listening socket and idle connections closed, and waits for nothing. Idempotent and
  // thread-safe.
  virtual void begin_stop() = 0;
  // Closes the listening socket and idle connections, answers what is under way (complete requests;
  // as long as their handlers take), ends its threads. Idempotent and thread-safe, but never to be
  // called by a handler.
  virtual void stop() = 0;
};

// Binds; callers wait until it is started, and are served until it is stopped. `handler` and
// `refusal` are called on several threads at once, `refusal` also on the poller, so it must not
// block. A handler that throws is answered with refusal(500, ""). `quick` (none: null) is asked
// first. Every answer gets Date, X-Request-ID, webhookd-version and Content-Length from the door,
// and a 503 of the door's own a Retry-After. Throws std::runtime_error: a sentence that names the
// address and what to do.
std::unique_ptr<Server> bind_server(const std::variant<TcpAddress, SocketPath>& where,
                                    const ServerLimits& limits, int threads, HttpHandler handler,
                                    RefusalRenderer refusal, QuickHandler quick = nullptr);

}  // namespace webhookd
