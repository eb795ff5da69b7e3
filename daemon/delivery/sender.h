#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "shared/model.h"

namespace webhookd {

// Chosen by the caller, unique among the transfers under way.
struct TransferId {
  std::uint64_t value = 0;
  auto operator<=>(const TransferId&) const = default;
};

struct SendRequest {
  std::string url;  // has passed parse_url
  Headers headers;  // all there are besides Host and Content-Length; no CR or LF
  std::string body;
  std::chrono::milliseconds timeout{15'000};  // from name resolution to the last body byte
};

// How a transfer ended. Judging the status is the caller's.
struct SendResult {
  TransferId id;
  std::optional<int> status;  // also when the answer broke off after it
  Headers headers;
  std::string body;                    // at most kKeptResponseBytes
  std::optional<DeliveryError> error;  // dns, connect, tls, timeout, blocked_address, protocol
  std::chrono::milliseconds duration{0};
  Timings timings;
  std::optional<std::string> remote_address;  // "192.0.2.1:443"
};

// Makes many POST requests at once. All but wake() is called by one thread.
class Sender {
 public:
  virtual ~Sender() = default;

  // Takes all of the request but its headers, which it has read when it returns.
  virtual void start(TransferId id, SendRequest& request) = 0;

  // Ends a transfer; there will be no result of it. Unknown ids are ignored.
  virtual void abort(TransferId id) = 0;

  // Moves transfers on. Returns when some have ended, wake() was called or `timeout` has passed;
  // it may return early with nothing.
  virtual std::vector<SendResult> wait(std::chrono::milliseconds timeout) = 0;

  // Makes wait() return at once, or its next call. Any thread; never blocks.
  virtual void wake() = 0;
};

}  // namespace webhookd

template <>
struct std::hash<webhookd::TransferId> {
  std::size_t operator()(const webhookd::TransferId& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value);
  }
};
