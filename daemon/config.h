#pragma once

// What the operator decides: flags, then WEBHOOKD_* environment, then the configuration file, then
// the defaults.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "observe/log.h"
#include "store/retention.h"

namespace webhookd {

struct Config {
  bool dev = false;
  std::filesystem::path state_dir;
  std::filesystem::path socket;
  std::optional<std::string> listen;  // absent: no TCP door
  bool allow_plaintext = false;
  std::string admin_group;
  std::optional<std::filesystem::path> jwks;
  std::optional<std::string> issuer;
  std::optional<std::string> audience;
  std::vector<std::chrono::seconds> retry_schedule;
  std::vector<std::string> allow_networks;
  std::chrono::milliseconds drain_timeout{20'000};
  log::Level log_level = log::Level::info;
  log::Style log_style = log::Style::logfmt;
  std::string user_agent;
  std::string header_prefix;
  std::string ca_file;
  std::size_t max_event_bytes = 0;
  std::optional<std::int64_t> min_free_space;  // bytes; absent: by the file system's size
  Retention retention;
  int loops = 0;
};

// Thrown for a command line or file that cannot be used; the text says which key or flag, what is
// wrong and how to mend it.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct CommandLine {
  enum class Action { run, check_config, exit };
  Action action = Action::run;
  int exit_code = 0;  // for exit: --help and --version are 0, a usage error is 2
  Config config;
};

// Prints help, version and usage errors itself. Throws ConfigError for bad values.
CommandLine parse_command_line(int argc, char** argv);

}  // namespace webhookd
