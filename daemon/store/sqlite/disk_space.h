#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "shared/time.h"

namespace webhookd {

struct DiskSpace {
  std::int64_t total = 0;
  std::int64_t free = 0;  // that may still be written
};

// Of the file system that holds `path`; absent when that is unknown.
std::optional<DiskSpace> disk_space(const std::filesystem::path& path);

// The same; 0 when it is unknown.
std::int64_t free_bytes(const std::filesystem::path& path);

// Whether enough is free that something new may be taken. Looks at the disk four times a second at
// most, however often it is asked. Thread-safe, and never waits for another thread.
class SpaceWatch {
 public:
  // `look` may be called from any thread. `least`: absent for a twentieth of the file system, up to
  // 256 MiB.
  SpaceWatch(std::function<std::optional<DiskSpace>()> look, std::optional<std::int64_t> least);

  // False from when less than least() is free until an eighth more is. What is unknown is as
  // before.
  bool has_room(Monotonic now);
  // As of the last look; 0 before the first one.
  std::int64_t least() const { return least_now_; }

 private:
  void look();

  const std::function<std::optional<DiskSpace>()> look_;
  const std::optional<std::int64_t> least_;
  std::atomic<Monotonic> next_look_{Monotonic::min()};
  std::atomic<std::int64_t> least_now_{0};
  std::atomic<bool> has_room_{true};
};

}  // namespace webhookd
