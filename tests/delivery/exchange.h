#pragma once

// Single requests through a real curl sender.

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delivery/curl_sender.h"
#include "support/patience.h"

namespace webhookd {

using namespace std::literals;

inline constexpr std::string_view kNoContent = "HTTP/1.1 204 No Content\r\n\r\n";
inline const std::vector<std::string> kLoopback{"127.0.0.0/8", "::1/128"};

// A sender that may reach loopback, unless told otherwise.
class Exchange {
 public:
  explicit Exchange(const std::vector<std::string>& allow = kLoopback,
                    CurlSenderOptions options = {})
      : guard_(allow), sender_(make_curl_sender(options, guard_, clock_)) {}

  TransferId start(const std::string& url, std::chrono::milliseconds timeout = 10s,
                   Headers headers = {}) {
    SendRequest request;
    request.url = url;
    request.headers = std::move(headers);
    request.body = R"({"event_type":"user.created"})";
    request.timeout = timeout;
    sender_->start({++last_}, request);
    return {last_};
  }

  std::vector<SendResult> finish(std::size_t count = 1) {
    std::vector<SendResult> all;
    const Monotonic deadline = clock_.monotonic() + kPatience;
    while (all.size() < count && clock_.monotonic() < deadline) {
      for (SendResult& result : sender_->wait(1s)) all.push_back(std::move(result));
    }
    REQUIRE(all.size() == count);
    return all;
  }

  SendResult send(const std::string& url, std::chrono::milliseconds timeout = 10s,
                  Headers headers = {}) {
    start(url, timeout, std::move(headers));
    return std::move(finish().front());
  }

  Sender& sender() { return *sender_; }
  const Clock& clock() const { return clock_; }

 private:
  SystemClock clock_;
  AddressGuard guard_;
  std::unique_ptr<Sender> sender_;
  std::uint64_t last_ = 0;
};

inline ErrorKind kind_of(const SendResult& result) {
  REQUIRE(result.error);
  return result.error->kind;
}

}  // namespace webhookd
