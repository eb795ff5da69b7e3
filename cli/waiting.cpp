#include "cli/waiting.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/output.h"

namespace webhookd {
namespace {

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{1000};

}  // namespace

bool poll_until(const Clock& clock, std::chrono::milliseconds within,
                const std::function<bool()>& done) {
  const Monotonic end = clock.monotonic() + within;
  std::chrono::milliseconds pause = kFirstPause;
  while (!done()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - clock.monotonic());
    if (left <= std::chrono::milliseconds(0)) return false;
    std::this_thread::sleep_for(std::min(pause, left));
    pause = std::min(pause * 2, kLongestPause);
  }
  return true;
}

bool is_settled(const Json& delivery) {
  const std::string status = text_at(delivery, "status");
  return status != "pending" && status != "in_flight";
}

Exit outcome_of(const std::vector<Json>& deliveries) {
  Exit outcome = Exit::done;
  for (const Json& delivery : deliveries) {
    if (!is_settled(delivery)) {
      if (outcome == Exit::done) outcome = Exit::timed_out;
    } else if (text_at(delivery, "status") != "succeeded") {
      outcome = Exit::delivery_failed;
    }
  }
  return outcome;
}

}  // namespace webhookd
