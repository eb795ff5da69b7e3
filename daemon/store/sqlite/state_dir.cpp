#include "store/sqlite/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

namespace webhookd {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason,
                         const std::string& fix) {
  throw StoreError(StoreError::Kind::unavailable,
                   "cannot use the state directory " + path.string() + ": " + reason + "; " + fix);
}

[[noreturn]] void refuse_errno(const std::filesystem::path& path, int code) {
  refuse(path, std::strerror(code),
         "make it a directory that uid " + std::to_string(::geteuid()) +
             " owns and may write, or choose another with --state-dir");
}

void make_private_directory(const std::filesystem::path& path) {
  std::error_code failure;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failure);
  if (failure) refuse_errno(path, failure.value());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) refuse_errno(path, errno);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) refuse_errno(path, errno);
  if (!S_ISDIR(info.st_mode)) refuse_errno(path, ENOTDIR);
  // Who took the owner's own bits away wants nothing to be written here.
  if ((info.st_mode & 0700) != 0700) refuse_errno(path, EACCES);
  if ((info.st_mode & 07777) != 0700 && ::chmod(path.c_str(), 0700) != 0) {
    refuse_errno(path, errno);
  }
}

// Empty when the other has not written it yet.
std::string pid_in(int lock_file) {
  std::array<char, 32> text{};
  const ssize_t got = ::pread(lock_file, text.data(), text.size() - 1, 0);
  if (got <= 0) return {};
  const long pid = std::strtol(text.data(), nullptr, 10);
  return pid > 0 ? std::to_string(pid) : std::string{};
}

bool is_no_space(int code) { return code == ENOSPC || code == EDQUOT; }

[[noreturn]] void refuse_file(const std::filesystem::path& directory, int code) {
  if (!is_no_space(code)) refuse_errno(directory, code);
  refuse(directory, std::strerror(code),
         "free some space on its file system, or choose another with --state-dir");
}

// Over the old one and cut off behind it: on a full disk that needs no space. Where it needs some
// after all the daemon does without: the lock alone keeps others out.
bool write_pid(int lock_file) {
  const std::string pid = std::to_string(::getpid()) + "\n";
  const ssize_t put = ::pwrite(lock_file, pid.data(), pid.size(), 0);
  if (put == static_cast<ssize_t>(pid.size())) return ::ftruncate(lock_file, put) == 0;
  return (put >= 0 || is_no_space(errno)) && ::ftruncate(lock_file, 0) == 0;
}

}  // namespace

StateDirectory::StateDirectory(const std::filesystem::path& path)
    : path_(std::filesystem::absolute(path).lexically_normal()) {
  if (!path_.has_filename()) path_ = path_.parent_path();
  make_private_directory(path_);
  lock();
}

StateDirectory::~StateDirectory() { ::close(lock_); }

void StateDirectory::lock() {
  const std::filesystem::path file = path_ / "webhookd.lock";
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock_ < 0) refuse_file(path_, errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    const std::string pid = pid_in(lock_);
    ::close(lock_);
    if (code != EWOULDBLOCK) refuse_errno(path_, code);
    refuse(path_, "another webhookd" + (pid.empty() ? pid : " (pid " + pid + ")") + " uses it",
           "stop that one, or choose another directory with --state-dir");
  }
  if (::fchmod(lock_, 0600) != 0 || !write_pid(lock_)) {
    const int code = errno;
    ::close(lock_);
    refuse_file(path_, code);
  }
}

void StateDirectory::make_database_file() const {
  const std::filesystem::path file = database();
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) refuse_file(path_, errno);
  const bool made = ::fchmod(fd, 0600) == 0;
  const int code = errno;
  ::close(fd);
  if (!made) refuse_errno(path_, code);
}

}  // namespace webhookd
