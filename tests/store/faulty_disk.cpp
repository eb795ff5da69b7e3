#include "store/faulty_disk.h"

#include <sqlite3.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>

namespace webhookd::test {
namespace {

// SQLite calls back without a pointer of ours, hence the file-wide state.
std::atomic<int> log_writes_seen{0};
std::atomic<FaultyDisk::Fault> current_fault{FaultyDisk::Fault::none};
sqlite3_vfs* real_disk = nullptr;
sqlite3_vfs faulty_disk;

// SQLite has one table of methods for databases and another for their logs.
struct Methods {
  const sqlite3_io_methods* real = nullptr;
  bool of_log = false;
  sqlite3_io_methods faulty{};
};
std::array<Methods, 4> tables;
std::mutex tables_mutex;  // for filling them; an entry that a file has is never changed

using Fault = FaultyDisk::Fault;

const Methods& methods_of(const sqlite3_file* file) {
  for (const Methods& table : tables) {
    if (file->pMethods == &table.faulty) return table;
  }
  std::abort();
}

int fail_with(int system_errno, int code) {
  errno = system_errno;
  return code;
}

int faulty_sync(sqlite3_file* file, int flags) {
  const Methods& methods = methods_of(file);
  if (current_fault == Fault::failing_sync) return fail_with(EIO, SQLITE_IOERR_FSYNC);
  if (current_fault == Fault::database_sync_without_space && !methods.of_log) {
    return fail_with(ENOSPC, SQLITE_IOERR_FSYNC);
  }
  return methods.real->xSync(file, flags);
}

bool over_quota(const Methods& methods) {
  return current_fault == (methods.of_log ? Fault::log_over_quota : Fault::database_over_quota);
}

bool grows_log(sqlite3_file* file, int count, sqlite3_int64 offset) {
  const Methods& methods = methods_of(file);
  if (current_fault != Fault::full_beyond_log || !methods.of_log) return false;
  sqlite3_int64 size = 0;
  methods.real->xFileSize(file, &size);
  return offset + count > size;
}

int faulty_write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  const Methods& methods = methods_of(file);
  if (methods.of_log) ++log_writes_seen;
  const bool is_full = current_fault == Fault::full || grows_log(file, count, offset);
  if (is_full) return fail_with(ENOSPC, SQLITE_FULL);
  if (over_quota(methods)) return fail_with(EDQUOT, SQLITE_IOERR_WRITE);
  return methods.real->xWrite(file, bytes, count, offset);
}

int faulty_control(sqlite3_file* file, int operation, void* argument) {
  const Methods& methods = methods_of(file);
  if (operation == SQLITE_FCNTL_LAST_ERRNO && over_quota(methods)) {
    *static_cast<int*>(argument) = EDQUOT;
    return SQLITE_OK;
  }
  return methods.real->xFileControl(file, operation, argument);
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
      table.faulty.xFileControl = faulty_control;
      table.of_log = (flags & SQLITE_OPEN_MAIN_DB) == 0;
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
  log_writes_seen = 0;
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

int FaultyDisk::log_writes() const { return log_writes_seen; }

}  // namespace webhookd::test
