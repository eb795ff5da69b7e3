#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/errors.h"
#include "shared/model_json.h"
#include "shared/time.h"

namespace webhookd {

// The end of a wait.
class Deadline {
 public:
  Deadline(const Clock& clock, std::chrono::milliseconds within);

  bool is_over() const { return left() == std::chrono::milliseconds(0); }
  // Never negative.
  std::chrono::milliseconds left() const;
  // How long one request may take: what is left, but long enough for an answer to come at all.
  std::chrono::milliseconds for_one_request() const;

 private:
  const Clock& clock_;
  Monotonic end_;
};

// Calls `done` now and then, ever less often, until it says true or the time is over. That nobody
// answers it, or with a temporary status, ends the wait only with its time: by that error.
// True: it did.
bool poll_until(const Deadline& deadline, const std::function<bool()>& done);

// Of an answer that says no, but may be another one a little later.
inline bool is_temporary(int status) { return status == 429 || status >= 500; }

// Succeeded, failed or cancelled. What a server says in other words, or not at all, may still come
// to something.
bool is_settled(const Json& delivery);
bool has_succeeded(const Json& delivery);

// What is left to tell when deliveries have been waited for; absent when all succeeded. Else
// delivery_failed when one failed or was cancelled, or timed_out while one still waits.
std::optional<CliError> shortfall_of(const std::vector<Json>& deliveries);

}  // namespace webhookd
