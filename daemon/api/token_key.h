#pragma once

// The daemon's own key, with which it signs the tokens that it hands out.

#include <filesystem>
#include <string>

#include "shared/random.h"

namespace webhookd {

inline constexpr std::string_view kOwnKeyId = "webhookd";
inline constexpr std::string_view kOwnIssuer = "webhookd";

// 32 bytes, from the file. Makes it with mode 0600 when it is absent; of two that make it at once
// both get the same key. Throws std::runtime_error: a sentence with the path and what to do.
std::string load_token_key(const std::filesystem::path& path, Random& random);

}  // namespace webhookd
