#pragma once

// What flags, environment and file say, before it is judged.

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "shared/paths.h"

namespace webhookd {

// Every setting as text: one form for flag, environment and file. Empty: not given.
struct RawSettings {
  std::string config_file;
  bool dev = false;
  std::string state_dir;
  std::string socket;
  std::string listen{kDefaultListen};
  bool allow_plaintext = false;
  std::string admin_group;
  std::string jwks;
  std::string issuer;
  std::string audience;
  std::vector<std::string> retry_schedule;  // each may be several with commas between them
  std::vector<std::string> allow_networks;  // likewise
  std::string drain_timeout = "20s";
  std::string log_level = "info";
  std::string log_format;
  std::string user_agent = "ScaiKey-Webhook/1.0";
  std::string header_prefix = "X-ScaiKey";
  std::string ca_file;
  std::size_t max_event_bytes = std::size_t{1024} * 1024;
  std::string min_free_space;
  std::string retention_succeeded = "30d";
  std::string retention_failed = "90d";
  std::string retention_events = "30d";
  std::string retention_paused = "30d";
  std::string retention_audit = "365d";
  int loops = 0;
  bool check_config = false;
};

// The options that the file may set, by their key there.
using Keys = std::map<std::string, CLI::Option*>;

}  // namespace webhookd
