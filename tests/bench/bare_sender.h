#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "shared/time.h"

namespace webhookd::bench {

struct SendPlan {
  std::vector<std::string> urls;  // in turn
  std::string body;
  std::size_t in_flight = 64;
  std::size_t posts = 0;
  std::chrono::milliseconds stop_after{60'000};  // nothing is started later than this
  std::chrono::milliseconds time_limit{90'000};  // all answers must be there by then
};

struct SendResult {
  std::size_t posts = 0;  // each was answered 200
  Monotonic::duration took{};
};

// What libcurl alone can do: one thread, one multi handle driven by epoll, the options and headers
// that a webhook sender sets, the same body and header values each time, and no store or policy.
// Throws Failed on another status, a failed transfer, or when the time limit passes.
SendResult run_bare_sender(const SendPlan& plan);

}  // namespace webhookd::bench
