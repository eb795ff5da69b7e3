#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "shared/random.h"
#include "store/retention.h"
#include "store/sqlite/disk_space.h"
#include "store/store.h"

namespace webhookd {

struct SqliteOptions {
  std::filesystem::path state_dir;  // made 0700 when it is absent
  // For webhooks without a schedule of their own.
  std::vector<std::chrono::seconds> default_schedule;
  int readers = 4;
  Retention retention;
  // What is kept free for results; absent: a twentieth of the file system, up to 256 MiB.
  std::optional<std::int64_t> min_free_bytes;
  // How much there is; absent: it asks the file system. Called from any thread.
  std::function<std::optional<DiskSpace>()> look_at_disk;
  // Called from any thread, before the StoreError is thrown, each time that something is broken.
  std::function<void(const std::string&)> on_broken = [](const std::string&) {};
};

// Opens (and makes or migrates) the store in a directory: webhookd.db, the sealing key secret.key,
// and webhookd.lock, which holds the pid of the daemon that owns it. Recovers what was in flight
// when the last process ended. Throws StoreError; its text names the other daemon's pid when one
// has the directory, or the path and the reason when it cannot be used. `random` must outlive it.
std::unique_ptr<Store> open_sqlite_store(const SqliteOptions& options, Random& random,
                                         Timestamp now);

}  // namespace webhookd
