#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bench/socket.h"

namespace webhookd::bench {

// A new directory, removed with everything in it by the destructor.
class TemporaryDir {
 public:
  // Throws Failed.
  explicit TemporaryDir(const std::filesystem::path& parent);
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;
  ~TemporaryDir();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Where the daemon of a home directory keeps its state.
std::filesystem::path state_dir_in(const std::filesystem::path& home);

// A webhookd that keeps state, socket and log in `home`, where an earlier one may have left its
// state. The destructor kills what still runs; the kernel does when this process or the starting
// thread ends.
class DaemonProcess {
 public:
  // Returns when the daemon has said that it is ready. Throws Failed, with what it said, when it
  // ends before that or is not ready in time.
  DaemonProcess(const std::filesystem::path& program, std::filesystem::path home,
                const std::vector<std::string>& more_flags = {},
                std::chrono::milliseconds patience = std::chrono::milliseconds{30'000});
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;
  ~DaemonProcess();

  pid_t pid() const { return pid_; }
  std::uint16_t port() const { return port_; }
  std::filesystem::path socket() const { return home_ / "d.sock"; }
  std::chrono::nanoseconds start_time() const { return start_time_; }  // to ready
  std::string log() const;                                             // its stderr so far

  // Resident memory in MiB. Throws Failed.
  double resident_mib() const { return status_mib("VmRSS:"); }
  double peak_mib() const { return status_mib("VmHWM:"); }

  // SIGTERM, and gone when it returns. Throws Failed when it does not end in time, or not with 0.
  void stop(std::chrono::milliseconds patience = std::chrono::milliseconds{40'000});
  // kill -9, and gone when it returns.
  void kill_now() noexcept;

 private:
  void spawn(const std::filesystem::path& program, const std::vector<std::string>& more_flags);
  void wait_until_ready(std::chrono::milliseconds patience);
  bool has_ended(std::chrono::milliseconds wait);
  int reap();
  double status_mib(std::string_view name) const;

  const std::filesystem::path home_;
  pid_t pid_ = -1;  // -1: none
  FileDescriptor handle_;
  std::uint16_t port_ = 0;
  std::chrono::nanoseconds start_time_{0};
};

}  // namespace webhookd::bench
