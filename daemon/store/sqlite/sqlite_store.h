#pragma once

#include <filesystem>
#include <memory>

#include "shared/random.h"
#include "store/store.h"

namespace webhookd {

struct SqliteOptions {
  std::filesystem::path state_dir;  // made 0700 when it is absent
  // For webhooks without a schedule of their own.
  std::vector<std::chrono::seconds> default_schedule;
  int readers = 4;
};

// Opens (and makes or migrates) the store in a directory: webhookd.db, the sealing key secret.key,
// and webhookd.lock, which holds the pid of the daemon that owns it. Recovers what was in flight
// when the last process ended. Throws StoreError; its text names the other daemon's pid when one
// has the directory, or the path and the reason when it cannot be used. `random` must outlive it.
std::unique_ptr<Store> open_sqlite_store(const SqliteOptions& options, Random& random,
                                         Timestamp now);

}  // namespace webhookd
