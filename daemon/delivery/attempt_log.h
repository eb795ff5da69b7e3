#pragma once

// One log line for each thing that an operator would search for.

#include <chrono>

#include "store/store.h"

namespace webhookd {

// A failed attempt at level info, a success at debug. Never header values or bodies.
void log_attempt(const AttemptResult& result);
void log_disabling(const WebhookId& webhook, const std::string& reason);
// Only when it opens or closes.
void log_circuit(const WebhookId& webhook, CircuitState before, CircuitState after);
void log_clock_jump(std::chrono::milliseconds by);

}  // namespace webhookd
