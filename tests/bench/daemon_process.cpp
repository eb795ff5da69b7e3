#include "bench/daemon_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "shared/time.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLookEvery{2};

// "listening on http://127.0.0.1:PORT"
std::optional<std::uint16_t> tcp_port(std::string_view log) {
  constexpr std::string_view kLine = "listening on http://127.0.0.1:";
  const auto found = log.find(kLine);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string_view digits = log.substr(found + kLine.size());
  std::uint16_t port = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return port;
}

bool says_ready(std::string_view log) {
  return log.starts_with("ready\n") || log.find("\nready\n") != std::string_view::npos;
}

class SpawnActions {
 public:
  // Standard error, and output, go to a new file; standard input is empty.
  explicit SpawnActions(const std::filesystem::path& log) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions_, 2, 1);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

TemporaryDir::TemporaryDir(const std::filesystem::path& parent) {
  std::string name = (parent / "bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail_with_errno("mkdtemp " + name);
  path_ = name;
}

TemporaryDir::~TemporaryDir() {
  std::error_code ignored;  // a destructor has nobody to tell
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path state_dir_in(const std::filesystem::path& home) { return home / "state"; }

DaemonProcess::DaemonProcess(const std::filesystem::path& program, std::filesystem::path home,
                             const std::vector<std::string>& more_flags, milliseconds patience)
    : home_(std::move(home)) {
  const Monotonic began = steady_clock::now();
  try {
    spawn(program, more_flags);
    wait_until_ready(patience);
  } catch (...) {
    kill_now();
    throw;
  }
  start_time_ = steady_clock::now() - began;
}

DaemonProcess::~DaemonProcess() { kill_now(); }

void DaemonProcess::spawn(const std::filesystem::path& program,
                          const std::vector<std::string>& more_flags) {
  std::vector<std::string> arguments{"/usr/bin/setpriv",
                                     "--pdeathsig",
                                     "KILL",
                                     "--",
                                     program.string(),
                                     "--state-dir",
                                     state_dir_in(home_).string(),
                                     "--socket",
                                     socket().string(),
                                     "--listen",
                                     "127.0.0.1:0",
                                     "--dev",
                                     "--allow-networks",
                                     "127.0.0.0/8",
                                     "--log-level",
                                     "warn"};
  arguments.insert(arguments.end(), more_flags.begin(), more_flags.end());
  std::vector<std::string> environment{"PATH=/usr/bin:/bin", "LANG=C.UTF-8",
                                       "HOME=" + home_.string()};
  const SpawnActions actions(home_ / "stderr");
  pid_t pid = -1;
  const int fault = ::posix_spawn(&pid, arguments.front().c_str(), actions.get(), nullptr,
                                  pointers(arguments).data(), pointers(environment).data());
  if (fault != 0) throw Failed("spawn: " + std::generic_category().message(fault));
  pid_ = pid;
  // glibc 2.36 declares pidfd_open without C linkage.
  handle_ = FileDescriptor{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  if (!handle_) fail_with_errno("pidfd_open");
}

std::string DaemonProcess::log() const {
  std::ifstream file(home_ / "stderr");
  return {std::istreambuf_iterator<char>{file}, {}};
}

void DaemonProcess::wait_until_ready(milliseconds patience) {
  const Monotonic deadline = steady_clock::now() + patience;
  while (!says_ready(log())) {
    if (has_ended(kLookEvery)) {
      const int status = reap();
      throw Failed(fmt::format("webhookd ended with {} before it was ready:\n{}", status, log()));
    }
    if (steady_clock::now() > deadline) {
      throw Failed(fmt::format("webhookd was not ready after {} ms:\n{}", patience.count(), log()));
    }
  }
  const std::optional<std::uint16_t> port = tcp_port(log());
  if (!port || *port == 0) throw Failed("webhookd did not say where it listens:\n" + log());
  port_ = *port;
}

void DaemonProcess::stop(milliseconds patience) {
  ::kill(pid_, SIGTERM);
  if (!has_ended(patience)) {
    throw Failed(fmt::format("webhookd did not end after {} ms:\n{}", patience.count(), log()));
  }
  const int status = reap();
  if (status != 0) throw Failed(fmt::format("webhookd ended with {}:\n{}", status, log()));
}

bool DaemonProcess::has_ended(milliseconds wait) {
  pollfd poll_for{handle_.get(), POLLIN, 0};
  return ::poll(&poll_for, 1, static_cast<int>(wait.count())) > 0;
}

// Its exit status, or minus the signal that ended it.
int DaemonProcess::reap() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A line of /proc/PID/status, which counts in kB.
double DaemonProcess::status_mib(std::string_view name) const {
  std::ifstream file(fmt::format("/proc/{}/status", pid_));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size())) / 1024;
  }
  throw Failed(fmt::format("no {} of webhookd:\n{}", name, log()));
}

void DaemonProcess::kill_now() noexcept {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace webhookd::bench
