#pragma once

#include <cstdint>
#include <filesystem>

namespace webhookd {

// What may still be written on the file system that holds `path`; 0 when that is unknown.
std::int64_t free_bytes(const std::filesystem::path& path);

}  // namespace webhookd
