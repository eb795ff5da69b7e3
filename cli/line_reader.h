#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace webhookd {

// Reads a file or stdin line by line, however long it is as a whole.
class LineReader {
 public:
  // `path`: "-" for stdin. A line has at most `longest` bytes. Throws CliError (usage) when the
  // file cannot be read.
  LineReader(std::string_view path, std::size_t longest);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // Without its '\n'; good until the next call. Absent at the end. Throws CliError: rejected for a
  // line that is too long, usage when reading fails.
  std::optional<std::string_view> next();
  // Of the line that next() gave last, from 1.
  std::int64_t number() const { return number_; }
  // Whether the next line, or the end, comes within `time`.
  bool comes_within(std::chrono::milliseconds time);

 private:
  bool has_line() const;
  void fill();

  std::string name_;
  std::size_t longest_;
  int fd_ = -1;
  bool at_end_ = false;
  std::string buffer_;  // what was read, from start_ on not yet given
  std::size_t start_ = 0;
  std::size_t searched_ = 0;  // no '\n' between start_ and here
  std::int64_t number_ = 0;
};

}  // namespace webhookd
