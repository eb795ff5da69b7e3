#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <thread>

namespace webhookd::tests {
namespace {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

struct Terminal {
  Fd ours;
  Fd theirs;
};

Terminal make_terminal(unsigned short columns) {
  Fd ours(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (ours.get() < 0 || grantpt(ours.get()) != 0 || unlockpt(ours.get()) != 0) {
    throw std::runtime_error("no terminal");
  }
  Fd theirs(open(ptsname(ours.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  winsize size{};
  size.ws_col = columns;
  size.ws_row = 24;
  ioctl(theirs.get(), TIOCSWINSZ, &size);
  termios mode{};
  tcgetattr(theirs.get(), &mode);
  // So that what is read is what was written.
  mode.c_oflag &= ~static_cast<tcflag_t>(OPOST);
  mode.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(theirs.get(), TCSANOW, &mode);
  return {std::move(ours), std::move(theirs)};
}

std::vector<std::string> environment_of(const Circumstances& circumstances) {
  std::map<std::string, std::string> variables = {
      {"HOME", "/nonexistent"}, {"TERM", "xterm"}, {"PATH", "/usr/bin:/bin"}};
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (const char* value = getenv(name)) variables[name] = value;
  }
  for (const auto& [name, value] : circumstances.environment) variables[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Both streams until the program has closed them.
void collect(int out, int err, Ran& ran) {
  pollfd fds[] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* texts[] = {&ran.out, &ran.err};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (poll(fds, 2, 30'000) <= 0) break;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = read(fds[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        texts[i]->append(buffer, static_cast<std::size_t>(count));
      } else {
        fds[i].fd = -1;  // a terminal ends with EIO
      }
    }
  }
}

// A descriptor of -1 is closed in the program.
pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> environment, int in,
            int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int wanted[] = {in, out, err};
  for (int fd = 0; fd < 3; ++fd) {
    if (wanted[fd] < 0) {
      posix_spawn_file_actions_addclose(&actions, fd);
    } else {
      posix_spawn_file_actions_adddup2(&actions, wanted[fd], fd);
    }
  }
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, WEBHOOKCTL, &actions, nullptr, pointers(arguments).data(),
                                 pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("webhookctl cannot be started");
  return pid;
}

int exit_of(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "webhookctl-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory");
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Folder::write(const std::string& name, const std::string& text) const {
  const std::filesystem::path file = path_ / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
  return file.string();
}

Ran run_program(const std::vector<std::string>& arguments, const Circumstances& circumstances) {
  std::vector<std::string> words = {"webhookctl"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  Terminal terminal;
  const bool all = circumstances.streams == Streams::all_terminal;
  const bool shown = all || circumstances.streams == Streams::terminal_out;
  if (shown) terminal = make_terminal(circumstances.columns);
  if (circumstances.streams == Streams::closed_out) out.read.reset();
  if (circumstances.streams == Streams::full_out) out.write = Fd(open("/dev/full", O_WRONLY));
  if (circumstances.streams == Streams::no_out) out.write.reset();
  if (circumstances.streams == Streams::no_err) err.write.reset();
  const int feed = all ? terminal.ours.get() : in.write.get();
  const pid_t pid =
      spawn(words, environment_of(circumstances), all ? terminal.theirs.get() : in.read.get(),
            shown ? terminal.theirs.get() : out.write.get(),
            all ? terminal.theirs.get() : err.write.get());
  in.read.reset();
  out.write.reset();
  err.write.reset();
  terminal.theirs.reset();
  if (!circumstances.input.empty() &&
      write(feed, circumstances.input.data(), circumstances.input.size()) < 0) {
    throw std::runtime_error("no input");
  }
  in.write.reset();
  if (circumstances.interrupt_when) {
    while (!circumstances.interrupt_when()) std::this_thread::yield();
    kill(pid, SIGINT);
  }
  Ran ran;
  collect(shown ? terminal.ours.get() : out.read.get(), err.read.get(), ran);
  ran.exit = exit_of(pid);
  return ran;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace webhookd::tests
