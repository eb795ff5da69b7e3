#pragma once

// Runs the built webhookctl as a user's shell would.

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace webhookd::tests {

struct Ran {
  int exit = -1;  // 1000 and the signal when one ended it
  std::string out;
  std::string err;
};

// Which of the three streams are a terminal; the others are pipes. What a terminal shows is
// collected in `out`. `closed_out`: a pipe that nobody reads. `full_out`: /dev/full. `no_out`,
// `no_err`: the descriptor is closed.
enum class Streams { pipes, closed_out, full_out, no_out, no_err, terminal_out, all_terminal };

struct Circumstances {
  std::map<std::string, std::string> environment;  // beside HOME and TERM
  std::string input;
  Streams streams = Streams::pipes;
  std::function<bool()> interrupt_when = {};  // SIGINT once it says true; empty: never
  unsigned short columns = 80;                // of a terminal
};

// A directory of the test's own, removed in the end. Also the program's HOME.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  // The path of the file that was written.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

Ran run_program(const std::vector<std::string>& arguments, const Circumstances& circumstances = {});

bool contains(const std::string& text, const std::string& part);

}  // namespace webhookd::tests
