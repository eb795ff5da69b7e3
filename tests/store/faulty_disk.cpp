#include "store/faulty_disk.h"

#include <sqlite3.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>

namespace webhookd::test {
namespace {

// SQLite calls back without a pointer of ours, hence the file-wide state.
std::atomic<FaultyDisk::Fault> current_fault{FaultyDisk::Fault::none};
sqlite3_vfs* real_disk = nullptr;
sqlite3_vfs faulty_disk;

// SQLite has one table of methods for databases and another for their logs.
struct Methods {
  const sqlite3_io_methods* real = nullptr;
  sqlite3_io_methods faulty{};
};
std::array<Methods, 4> tables;
std::mutex tables_mutex;  // for filling them; an entry that a file has is never changed

const sqlite3_io_methods* real_methods(const sqlite3_file* file) {
  for (const Methods& table : tables) {
    if (file->pMethods == &table.faulty) return table.real;
  }
  std::abort();
}

int faulty_sync(sqlite3_file* file, int flags) {
  if (current_fault == FaultyDisk::Fault::failing_sync) return SQLITE_IOERR_FSYNC;
  return real_methods(file)->xSync(file, flags);
}

int faulty_write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  if (current_fault == FaultyDisk::Fault::full) return SQLITE_FULL;
  return real_methods(file)->xWrite(file, bytes, count, offset);
}

int faulty_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const int code = real_disk->xOpen(real_disk, name, file, flags, out_flags);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  const std::lock_guard lock(tables_mutex);
  for (Methods& table : tables) {
    if (table.real == nullptr) {
      table.real = file->pMethods;
      table.faulty = *file->pMethods;
      table.faulty.xSync = faulty_sync;
      table.faulty.xWrite = faulty_write;
    }
    if (table.real == file->pMethods) {
      file->pMethods = &table.faulty;
      return code;
    }
  }
  std::abort();
}

}  // namespace

FaultyDisk::FaultyDisk() {
  set(Fault::none);
  real_disk = sqlite3_vfs_find(nullptr);
  faulty_disk = *real_disk;
  faulty_disk.zName = "faulty";
  faulty_disk.xOpen = faulty_open;
  sqlite3_vfs_register(&faulty_disk, 1);
}

FaultyDisk::~FaultyDisk() {
  sqlite3_vfs_unregister(&faulty_disk);
  sqlite3_vfs_register(real_disk, 1);
}

void FaultyDisk::set(Fault fault) { current_fault = fault; }

}  // namespace webhookd::test
