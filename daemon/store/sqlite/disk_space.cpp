#include "store/sqlite/disk_space.h"

#include <sys/statvfs.h>

#include <algorithm>

namespace webhookd {
namespace {

constexpr std::chrono::milliseconds kLookEvery{250};
constexpr std::int64_t kMostKeptFree = std::int64_t{256} * 1024 * 1024;

}  // namespace

std::optional<DiskSpace> disk_space(const std::filesystem::path& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return std::nullopt;
  const auto block = static_cast<std::int64_t>(info.f_frsize);
  return DiskSpace{static_cast<std::int64_t>(info.f_blocks) * block,
                   static_cast<std::int64_t>(info.f_bavail) * block};
}

std::int64_t free_bytes(const std::filesystem::path& path) {
  return disk_space(path).value_or(DiskSpace{}).free;
}

SpaceWatch::SpaceWatch(std::function<std::optional<DiskSpace>()> look,
                       std::optional<std::int64_t> least)
    : look_(std::move(look)), least_(least) {}

bool SpaceWatch::has_room(Monotonic now) {
  Monotonic due = next_look_;
  if (now >= due && next_look_.compare_exchange_strong(due, now + kLookEvery)) look();
  return has_room_;
}

void SpaceWatch::look() {
  const auto space = look_();
  if (!space) return;
  const std::int64_t least = least_.value_or(std::min(space->total / 20, kMostKeptFree));
  least_now_ = least;
  has_room_ = space->free >= (has_room_ ? least : least + least / 8);
}

}  // namespace webhookd
