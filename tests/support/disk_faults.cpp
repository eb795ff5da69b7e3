// Preloaded into a daemon: its disk fails as the file named by WEBHOOKD_TEST_DISK says, at every
// moment anew. Only files under the folder WEBHOOKD_TEST_DISK_OF are concerned; what they hold
// already may be written anew on a full disk, as on most file systems.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr std::uint64_t kFull = 1;          // no file may grow
constexpr std::uint64_t kLittleIsFree = 2;  // statvfs says that nothing is free
constexpr std::uint64_t kFsyncFails = 4;

// The file's content, in native order. The daemon counts what it was refused.
struct Faults {
  std::atomic<std::uint64_t> mode;
  std::atomic<std::uint64_t> refused_growth;
  std::atomic<std::uint64_t> failed_fsyncs;
};

Faults* map_faults() {
  const char* const path = std::getenv("WEBHOOKD_TEST_DISK");
  if (path == nullptr) return nullptr;
  const int file = ::open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* const memory = ::mmap(nullptr, sizeof(Faults), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  return memory == MAP_FAILED ? nullptr : static_cast<Faults*>(memory);
}

Faults* faults() {
  static Faults* const mapped = map_faults();
  return mapped;
}

bool is_under(const char* path) {
  const char* const folder = std::getenv("WEBHOOKD_TEST_DISK_OF");
  if (folder == nullptr) return false;
  const std::size_t length = std::strlen(folder);
  return std::strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

bool is_concerned(int file) {
  char link[32];
  char path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = ::readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return is_under(path);
}

bool is_on(std::uint64_t fault) { return faults() != nullptr && (faults()->mode & fault) != 0; }

// Whether writing up to `end` is to fail for want of space.
bool refuses_growth(int file, off64_t end) {
  if (!is_on(kFull) || !is_concerned(file)) return false;
  struct stat64 info {};
  if (::fstat64(file, &info) != 0 || !S_ISREG(info.st_mode) || end <= info.st_size) return false;
  ++faults()->refused_growth;
  errno = ENOSPC;
  return true;
}

bool fails_fsync(int file) {
  if (!is_on(kFsyncFails) || !is_concerned(file)) return false;
  ++faults()->failed_fsyncs;
  errno = EIO;
  return true;
}

off64_t end_of_write(int file, std::size_t length) {
  if (!is_on(kFull)) return 0;
  const bool appends = (::fcntl(file, F_GETFL) & O_APPEND) != 0;
  return ::lseek64(file, 0, appends ? SEEK_END : SEEK_CUR) + static_cast<off64_t>(length);
}

template <typename Info>
int look(const char* path, Info& info) {
  struct statfs found {};
  if (::syscall(SYS_statfs, path, &found) != 0) return -1;
  info = {};
  info.f_bsize = static_cast<unsigned long>(found.f_bsize);
  info.f_frsize = static_cast<unsigned long>(found.f_frsize != 0 ? found.f_frsize : found.f_bsize);
  info.f_blocks = found.f_blocks;
  info.f_bfree = found.f_bfree;
  info.f_bavail = found.f_bavail;
  info.f_files = found.f_files;
  info.f_ffree = info.f_favail = found.f_ffree;
  info.f_namemax = static_cast<unsigned long>(found.f_namelen);
  if (is_on(kLittleIsFree) && is_under(path)) info.f_bfree = info.f_bavail = 0;
  return 0;
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* data, size_t length) {
  // Looked at only while the disk is full: most of what is written goes to sockets.
  if (is_on(kFull) && is_concerned(file) && refuses_growth(file, end_of_write(file, length))) {
    return -1;
  }
  return ::syscall(SYS_write, file, data, length);
}

ssize_t pwrite64(int file, const void* data, size_t length, off64_t at) {
  if (refuses_growth(file, at + static_cast<off64_t>(length))) return -1;
  return ::syscall(SYS_pwrite64, file, data, length, at);
}

ssize_t pwrite(int file, const void* data, size_t length, off_t at) {
  return pwrite64(file, data, length, at);
}

int ftruncate64(int file, off64_t length) noexcept {
  if (refuses_growth(file, length)) return -1;
  return static_cast<int>(::syscall(SYS_ftruncate, file, length));
}

int ftruncate(int file, off_t length) noexcept { return ftruncate64(file, length); }

int fallocate64(int file, int mode, off64_t at, off64_t length) {
  if (refuses_growth(file, at + length)) return -1;
  return static_cast<int>(::syscall(SYS_fallocate, file, mode, at, length));
}

int fallocate(int file, int mode, off_t at, off_t length) {
  return fallocate64(file, mode, at, length);
}

int posix_fallocate64(int file, off64_t at, off64_t length) {
  return fallocate64(file, 0, at, length) == 0 ? 0 : errno;
}

int posix_fallocate(int file, off_t at, off_t length) {
  return posix_fallocate64(file, at, length);
}

int fsync(int file) {
  if (fails_fsync(file)) return -1;
  return static_cast<int>(::syscall(SYS_fsync, file));
}

int fdatasync(int file) {
  if (fails_fsync(file)) return -1;
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

int statvfs(const char* path, struct statvfs* info) noexcept { return look(path, *info); }

int statvfs64(const char* path, struct statvfs64* info) noexcept { return look(path, *info); }

}  // extern "C"
