#pragma once

#include "config.h"
#include "config_settings.h"

namespace webhookd {

// Throws ConfigError.
Config judge(const RawSettings& raw);

}  // namespace webhookd
