#pragma once

#include <string>

#include "config_settings.h"

namespace webhookd {

// Gives the options what the TOML file at `path` says. Flags and environment came first: a key of
// the file only fills what they left open. Throws ConfigError: path, line and key, for all unknown
// keys at once.
void apply_file(const std::string& path, const Keys& keys);

}  // namespace webhookd
