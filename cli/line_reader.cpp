#include "cli/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "cli/errors.h"

namespace webhookd {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

CliError unreadable(const std::string& name, int error) {
  return usage_error(fmt::format("{} cannot be read: {}", name, strerror(error)),
                     "name a file that you may read");
}

}  // namespace

LineReader::LineReader(std::string_view path, std::size_t longest)
    : name_(path == "-" ? "stdin" : path), longest_(longest), fd_(STDIN_FILENO) {
  if (path == "-") return;
  fd_ = ::open(name_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) throw unreadable(name_, errno);
}

LineReader::~LineReader() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
}

bool LineReader::has_line() const {
  return at_end_ || buffer_.find('\n', searched_) != std::string::npos;
}

void LineReader::fill() {
  searched_ = buffer_.size();
  if (searched_ - start_ > longest_) {
    throw CliError(Exit::rejected,
                   fmt::format("line {} is longer than {} bytes", number_ + 1, longest_),
                   "an event has at most 1 MiB, unless the daemon is set up otherwise");
  }
  if (start_ > 0) {
    buffer_.erase(0, start_);
    searched_ -= start_;
    start_ = 0;
  }
  const std::size_t held = buffer_.size();
  buffer_.resize(held + kReadBytes);
  ssize_t count = 0;
  do count = ::read(fd_, buffer_.data() + held, kReadBytes);
  while (count < 0 && errno == EINTR);
  const int error = errno;
  buffer_.resize(held + static_cast<std::size_t>(count < 0 ? 0 : count));
  if (count < 0) throw unreadable(name_, error);
  if (count == 0) at_end_ = true;
}

std::optional<std::string_view> LineReader::next() {
  while (!has_line()) fill();
  if (start_ == buffer_.size()) return std::nullopt;
  const std::size_t end = std::min(buffer_.find('\n', searched_), buffer_.size());
  const std::string_view line = std::string_view(buffer_).substr(start_, end - start_);
  start_ = searched_ = std::min(end + 1, buffer_.size());
  ++number_;
  return line;
}

bool LineReader::comes_within(std::chrono::milliseconds time) {
  if (has_line()) return true;
  pollfd waiting{fd_, POLLIN, 0};
  // Of a line that has come in part the rest is worth waiting for.
  return ::poll(&waiting, 1, static_cast<int>(time.count())) != 0;
}

}  // namespace webhookd
