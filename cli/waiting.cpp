#include "cli/waiting.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/output.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{1000};
constexpr milliseconds kShortestRequest{2000};

std::string how_to_look(const Json& delivery, const std::string& otherwise) {
  const std::string webhook = text_at(delivery, "webhook_id");
  if (webhook == "-") return otherwise;
  return fmt::format("`webhookctl delivery {} {}` shows why", webhook, text_at(delivery, "id"));
}

// Nobody there, or one who cannot tell just now: a daemon that is restarted is both for a moment.
bool may_pass(const CliError& error) {
  return error.http_status == 0 ? error.exit == Exit::unreachable : is_temporary(error.http_status);
}

}  // namespace

Deadline::Deadline(const Clock& clock, milliseconds within)
    : clock_(clock), end_(clock.monotonic() + within) {}

milliseconds Deadline::left() const {
  const auto left = std::chrono::duration_cast<milliseconds>(end_ - clock_.monotonic());
  return std::max(left, milliseconds(0));
}

milliseconds Deadline::for_one_request() const { return std::max(left(), kShortestRequest); }

bool poll_until(const Deadline& deadline, const std::function<bool()>& done) {
  milliseconds pause = kFirstPause;
  while (true) {
    try {
      if (done()) return true;
    } catch (const CliError& error) {
      if (deadline.is_over() || !may_pass(error)) throw;
    }
    if (deadline.is_over()) return false;
    std::this_thread::sleep_for(std::min(pause, deadline.left()));
    pause = std::min(pause * 2, kLongestPause);
  }
}

bool is_settled(const Json& delivery) {
  const std::string status = text_at(delivery, "status");
  return has_succeeded(delivery) || status == "failed" || status == "cancelled";
}

bool has_succeeded(const Json& delivery) {
  const std::string status = text_at(delivery, "status");
  return status == "succeeded" || status == "success";
}

std::optional<CliError> shortfall_of(const std::vector<Json>& deliveries) {
  const auto failed = [](const Json& one) { return is_settled(one) && !has_succeeded(one); };
  const auto waits = [](const Json& one) { return !is_settled(one); };
  const auto bad = std::find_if(deliveries.begin(), deliveries.end(), failed);
  if (bad != deliveries.end()) {
    return CliError(Exit::delivery_failed,
                    fmt::format("{} of {} deliveries did not succeed",
                                std::count_if(bad, deliveries.end(), failed), deliveries.size()),
                    how_to_look(*bad, "`webhookctl delivery` shows why"));
  }
  const auto late = std::find_if(deliveries.begin(), deliveries.end(), waits);
  if (late == deliveries.end()) return std::nullopt;
  return CliError(Exit::timed_out,
                  fmt::format("{} of {} deliveries were still waiting when the time was over",
                              std::count_if(late, deliveries.end(), waits), deliveries.size()),
                  how_to_look(*late, "a longer --wait waits longer"));
}

}  // namespace webhookd
