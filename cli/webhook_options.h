#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "shared/model_json.h"
#include "shared/time.h"

namespace CLI {
class App;
}

namespace webhookd {

// A webhook's settings as they stand on the command line; what was not given is absent or empty.
struct WebhookOptions {
  std::vector<std::string> events;
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::string> tenant;
  std::optional<std::string> partner;
  std::vector<std::string> headers;  // "Name: value"
  std::optional<std::string> header_file;
  std::optional<std::string> attempt_timeout;
  std::optional<std::string> retry_schedule;  // "5s,5m", "none" or "default"
  std::optional<int> max_in_flight;
  std::optional<double> rate_limit;
  std::optional<bool> ordered;
  std::vector<std::string> metadata;  // "key=value"
  std::optional<std::string> expires_in;
};

void add_webhook_options(CLI::App& command, WebhookOptions& options);

// The body's members for what was given. Reads --header-file. Throws CliError (usage).
Json settings_json(const WebhookOptions& options, Timestamp now);

}  // namespace webhookd
