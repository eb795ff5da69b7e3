#include "store/sqlite/disk_space.h"

#include <sys/statvfs.h>

namespace webhookd {

std::int64_t free_bytes(const std::filesystem::path& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return 0;
  return static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize);
}

}  // namespace webhookd
