#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "bench/socket.h"
#include "shared/time.h"

namespace webhookd::bench {

struct LoadPlan {
  Address target;
  int connections = 32;  // opened before the first request; each has one request under way
  std::size_t requests = 0;
  // Appends the whole request, head and body.
  std::function<void(std::size_t index, std::string& out)> write_request;
  int expected_status = 202;

  // Zero: a request starts as soon as a connection is free. Otherwise request i is due
  // i * interval after the start, whatever became of the earlier ones.
  std::chrono::nanoseconds interval{0};

  std::chrono::milliseconds stop_after{60'000};  // nothing is started later than this
  std::chrono::milliseconds time_limit{90'000};  // all answers must be there by then
};

// When things happened to one request.
struct Exchange {
  Monotonic due;   // by the schedule; without one, as `sent`
  Monotonic sent;  // just before its first byte
  Monotonic answered;
};

struct LoadResult {
  Monotonic began;
  Monotonic ended;                  // the last answer
  std::vector<Exchange> exchanges;  // by request index; all were answered as expected
};

// Runs in the calling thread. Throws Failed on another status, a lost connection, or when the
// time limit passes.
LoadResult run_load(const LoadPlan& plan);

}  // namespace webhookd::bench
