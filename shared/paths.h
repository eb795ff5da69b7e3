#pragma once

#include <filesystem>

namespace webhookd {

inline constexpr std::string_view kSystemSocket = "/run/webhookd/webhookd.sock";
inline constexpr std::string_view kSystemStateDir = "/var/lib/webhookd";
inline constexpr std::string_view kSystemConfig = "/etc/webhookd/webhookd.conf";
inline constexpr std::string_view kDefaultListen = "127.0.0.1:8420";

// $XDG_RUNTIME_DIR/webhookd/webhookd.sock, else $HOME/.local/state/webhookd/webhookd.sock.
// Throws std::runtime_error when neither variable is set.
std::filesystem::path user_socket();

// $XDG_STATE_HOME/webhookd, else $HOME/.local/state/webhookd. Throws as above.
std::filesystem::path user_state_dir();

// $XDG_CONFIG_HOME/webhookctl/config.toml, else $HOME/.config/webhookctl/config.toml.
// Throws as above.
std::filesystem::path user_cli_config();

}  // namespace webhookd
