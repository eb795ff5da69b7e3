#include "delivery/attempt_log.h"

#include "observe/log.h"
#include "shared/model_json.h"

namespace webhookd {

void log_attempt(const AttemptResult& result) {
  const Attempt& attempt = result.attempt;
  if (!attempt.error) {
    log::debug("msg=\"attempt succeeded\" webhook={} delivery={} attempt={} status={} ms={}",
               result.webhook.value, result.delivery.value, attempt.number,
               attempt.response_status.value_or(0), attempt.duration.count());
    return;
  }
  if (!log::enabled(log::Level::info)) return;
  const std::string what =
      attempt.error->kind == ErrorKind::http_status || attempt.error->kind == ErrorKind::redirect
          ? fmt::format("status={}", attempt.response_status.value_or(0))
          : fmt::format("error={}", to_string(attempt.error->kind));
  log::info("msg=\"attempt failed\" webhook={} delivery={} attempt={} {} next={}",
            result.webhook.value, result.delivery.value, attempt.number, what,
            attempt.next_attempt_at ? format_rfc3339(*attempt.next_attempt_at) : "never");
}

void log_disabling(const WebhookId& webhook, const std::string& reason) {
  log::warn("msg=\"webhook disabled\" webhook={} reason=\"{}\"", webhook.value, reason);
}

void log_circuit(const WebhookId& webhook, CircuitState before, CircuitState after) {
  const bool was_open = before != CircuitState::closed;
  const bool is_open = after != CircuitState::closed;
  if (was_open == is_open) return;
  log::info("msg=\"circuit {}\" webhook={}", is_open ? "opened" : "closed", webhook.value);
}

void log_clock_jump(std::chrono::milliseconds by) {
  log::warn("msg=\"the clock was set\" by_ms={}", by.count());
}

}  // namespace webhookd
