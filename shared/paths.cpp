#include "shared/paths.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace webhookd {

namespace {

// The XDG specification: a variable that holds no absolute path counts as unset.
std::filesystem::path absolute_variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): neither program changes its environment.
  const char* value = std::getenv(name);
  if (value == nullptr || *value != '/') return {};
  return value;
}

std::filesystem::path base_directory(const char* variable, const char* below_home) {
  std::filesystem::path base = absolute_variable(variable);
  if (!base.empty()) return base;
  const std::filesystem::path home = absolute_variable("HOME");
  if (home.empty()) {
    throw std::runtime_error(std::string("neither ") + variable +
                             " nor HOME names a directory in the environment");
  }
  return home / below_home;
}

}  // namespace

std::filesystem::path user_socket() {
  return base_directory("XDG_RUNTIME_DIR", ".local/state") / "webhookd" / "webhookd.sock";
}

std::filesystem::path user_state_dir() {
  return base_directory("XDG_STATE_HOME", ".local/state") / "webhookd";
}

std::filesystem::path user_cli_config() {
  return base_directory("XDG_CONFIG_HOME", ".config") / "webhookctl" / "config.toml";
}

}  // namespace webhookd
