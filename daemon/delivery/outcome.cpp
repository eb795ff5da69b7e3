#include "delivery/outcome.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <utility>

#include "delivery/retry_policy.h"

namespace webhookd {
namespace {

constexpr int kGone = 410;

std::optional<std::string> header_value(const Headers& headers, const char* name) {
  for (const auto& [key, value] : headers) {
    if (strcasecmp(key.c_str(), name) == 0) return value;
  }
  return std::nullopt;
}

std::optional<DeliveryError> fault_of_status(int status) {
  if (status >= 200 && status < 300) return std::nullopt;
  if (status >= 300 && status < 400) {
    return DeliveryError{
        ErrorKind::redirect,
        fmt::format("the receiver answered {}; redirects are not followed", status)};
  }
  return DeliveryError{ErrorKind::http_status, fmt::format("the receiver answered {}", status)};
}

AttemptResult attempt_result(SentAttempt sent, SendResult ended) {
  AttemptResult result;
  result.delivery = sent.delivery;
  result.webhook = std::move(sent.webhook);
  Attempt& attempt = result.attempt;
  attempt.number = sent.number;
  attempt.trigger = sent.trigger;
  attempt.started_at = sent.started_at;
  attempt.request_headers = std::move(sent.shown_headers);
  attempt.duration = ended.duration;
  attempt.timings = ended.timings;
  attempt.remote_address = std::move(ended.remote_address);
  attempt.response_status = ended.status;
  attempt.response_headers = std::move(ended.headers);
  attempt.response_body = std::move(ended.body);
  attempt.error = std::move(ended.error);
  if (!attempt.error && ended.status) attempt.error = fault_of_status(*ended.status);
  result.status = attempt.error ? DeliveryStatus::failed : DeliveryStatus::succeeded;
  return result;
}

}  // namespace

Outcome judge(SentAttempt sent, SendResult ended, const RetryRules& rules, Timestamp now) {
  const bool is_test = sent.trigger == Trigger::test;
  // Also of an answer whose body did not end well: its head says what the receiver wants.
  const int status = ended.status.value_or(0);
  RetryQuestion question{sent.number, sent.max_attempts, rules.schedule, std::nullopt,
                         rules.jitter};
  if (ended.status) {
    const auto value = header_value(ended.headers, "retry-after");
    if (value) question.retry_after = parse_retry_after(*value, now);
  }

  Outcome outcome;
  outcome.result = attempt_result(std::move(sent), std::move(ended));
  if (!outcome.result.attempt.error || is_test) return outcome;
  if (status == kGone) {
    outcome.disable_reason = "the receiver answered 410 Gone";
    return outcome;
  }
  if ((status == 429 || status == 503) && question.retry_after) {
    outcome.hold = Hold{now + *question.retry_after,
                        fmt::format("the receiver answered {} with Retry-After", status)};
  }
  if (const auto delay = next_delay(question)) {
    outcome.result.status = DeliveryStatus::pending;
    outcome.result.attempt.next_attempt_at = now + *delay;
  }
  return outcome;
}

AttemptResult interrupted(SentAttempt sent, std::string message, Timestamp now) {
  SendResult ended;
  ended.duration = std::max(now - sent.started_at, std::chrono::milliseconds{0});
  ended.error = DeliveryError{ErrorKind::interrupted, std::move(message)};
  return attempt_result(std::move(sent), std::move(ended));
}

}  // namespace webhookd
