#include "store/sqlite/log_file.h"

#include <sqlite3.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace webhookd {
namespace {

constexpr char kName[] = "webhookd-log";
// SQLite's own xWrite takes less than 128 KiB at once, and calls the disk full at that size.
constexpr std::size_t kMostGathered = 128 * 1024 - 1;

// Asked each time: tests put another in its place.
sqlite3_vfs& below() { return *sqlite3_vfs_find(nullptr); }

// SQLite hands out the memory and knows the first member. The file below lies behind.
struct LogFile {
  sqlite3_file base;
  std::string* gathered;
  sqlite3_int64 start;  // of what is gathered, in the file
};
static_assert(sizeof(LogFile) % alignof(sqlite3_int64) == 0);

LogFile& log_of(sqlite3_file* file) { return *reinterpret_cast<LogFile*>(file); }
sqlite3_file* file_below(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(&log_of(file) + 1);
}
const sqlite3_io_methods& methods_below(sqlite3_file* file) { return *file_below(file)->pMethods; }

int write_gathered(sqlite3_file* file) {
  LogFile& log = log_of(file);
  std::string& gathered = *log.gathered;
  if (gathered.empty()) return SQLITE_OK;
  const int code = methods_below(file).xWrite(file_below(file), gathered.data(),
                                              static_cast<int>(gathered.size()), log.start);
  // After a failure SQLite gives the transaction up.
  gathered.clear();
  return code;
}

// For whoever needs the file itself. Pages that an earlier statement has let go may be among what
// is not written then. After SQLITE_FULL SQLite may undo one statement alone and keep the
// transaction; after this error, which stands for a lack of space as well, it undoes the
// transaction.
int write_before_use(sqlite3_file* file) {
  const int code = write_gathered(file);
  return code == SQLITE_FULL ? SQLITE_IOERR_SHMSIZE : code;
}

int close_log(sqlite3_file* file) {
  // Nothing that was not synced is owed to anybody.
  delete std::exchange(log_of(file).gathered, nullptr);
  return methods_below(file).xClose(file_below(file));
}

int read_log(sqlite3_file* file, void* out, int count, sqlite3_int64 offset) {
  const int code = write_before_use(file);
  return code == SQLITE_OK ? methods_below(file).xRead(file_below(file), out, count, offset) : code;
}

int write_log(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  LogFile& log = log_of(file);
  std::string& gathered = *log.gathered;
  const auto size = static_cast<sqlite3_int64>(gathered.size());
  const bool fits = gathered.size() + static_cast<std::size_t>(count) <= kMostGathered;
  if (size > 0 && (offset != log.start + size || !fits)) {
    const int code = write_gathered(file);
    if (code != SQLITE_OK) return code;
  }
  if (gathered.empty()) log.start = offset;
  gathered.append(static_cast<const char*>(bytes), static_cast<std::size_t>(count));
  return SQLITE_OK;
}

int truncate_log(sqlite3_file* file, sqlite3_int64 size) {
  const int code = write_before_use(file);
  return code == SQLITE_OK ? methods_below(file).xTruncate(file_below(file), size) : code;
}

int sync_log(sqlite3_file* file, int flags) {
  const int code = write_gathered(file);
  return code == SQLITE_OK ? methods_below(file).xSync(file_below(file), flags) : code;
}

int size_of_log(sqlite3_file* file, sqlite3_int64* size) {
  const int code = write_before_use(file);
  return code == SQLITE_OK ? methods_below(file).xFileSize(file_below(file), size) : code;
}

int control_log(sqlite3_file* file, int operation, void* argument) {
  return methods_below(file).xFileControl(file_below(file), operation, argument);
}

int sector_of_log(sqlite3_file* file) { return methods_below(file).xSectorSize(file_below(file)); }

int traits_of_log(sqlite3_file* file) {
  return methods_below(file).xDeviceCharacteristics(file_below(file));
}

// Nobody locks a log; the database file stands for it.
int no_lock(sqlite3_file*, int) { return SQLITE_OK; }
int is_unlocked(sqlite3_file*, int* out) {
  *out = 0;
  return SQLITE_OK;
}

// Version 1: nobody maps a log into memory either.
constexpr sqlite3_io_methods kMethods = {
    1,       close_log, read_log,    write_log,   truncate_log,  sync_log,      size_of_log,
    no_lock, no_lock,   is_unlocked, control_log, sector_of_log, traits_of_log, nullptr,
    nullptr, nullptr,   nullptr,     nullptr,     nullptr,
};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs& under = below();
  if ((flags & SQLITE_OPEN_WAL) == 0) return under.xOpen(&under, name, file, flags, out_flags);
  file->pMethods = nullptr;
  auto gathered = std::make_unique<std::string>();
  gathered->reserve(kMostGathered);  // costs memory as it fills
  file_below(file)->pMethods = nullptr;
  const int code = under.xOpen(&under, name, file_below(file), flags, out_flags);
  if (code != SQLITE_OK) {
    if (file_below(file)->pMethods != nullptr) methods_below(file).xClose(file_below(file));
    return code;
  }
  log_of(file).gathered = gathered.release();
  log_of(file).start = 0;
  file->pMethods = &kMethods;
  return code;
}

const char* add_vfs() {
  static sqlite3_vfs vfs = below();
  vfs.szOsFile += static_cast<int>(sizeof(LogFile));
  vfs.zName = kName;
  vfs.xOpen = open_file;
  if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK) {
    throw std::runtime_error("SQLite takes no VFS");
  }
  return kName;
}

}  // namespace

const char* log_gathering_vfs() {
  static const char* const name = add_vfs();
  return name;
}

}  // namespace webhookd
