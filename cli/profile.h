#pragma once

// $XDG_CONFIG_HOME/webhookctl/config.toml:
//
//   default_profile = "production"
//   [profiles.production]
//   server = "https://hooks.example.com"    # or: socket = "/run/webhookd/webhookd.sock"
//   token_file = "/home/me/.webhook-token"
//   cacert = "/etc/ssl/ours.pem"
//   output = "table"
//   timeout = "30s"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace webhookd {

struct Profile {
  std::optional<std::string> server;
  std::optional<std::string> socket;
  std::optional<std::string> token_file;
  std::optional<std::string> cacert;
  std::optional<std::string> output;
  std::optional<std::string> timeout;
};

// `file` may be empty: there is none. Throws CliError (usage) when there is no such profile, and
// for what the file gets wrong.
Profile load_profile(const std::filesystem::path& file, std::string_view name);

// The one that `default_profile` names; without a file, or without that line, an empty one.
Profile load_default_profile(const std::filesystem::path& file);

}  // namespace webhookd
