#pragma once

// A door with a handler to try, and a client that sends exactly the bytes it is told to.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/file_descriptor.h"
#include "api/server.h"
#include "support/patience.h"

namespace webhookd {

struct Answer {
  int status = 0;
  std::string head;  // with its last empty line
  std::string body;
  // The first value; empty when there is none.
  std::string header(std::string_view name) const;
};

class RawClient {
 public:
  // "http://127.0.0.1:PORT", "http://[::1]:PORT" or "unix:PATH".
  explicit RawClient(const std::string& address);

  // False when the other side has gone.
  bool send(std::string_view bytes);
  enum class Body { expected, none };
  // Absent when the connection ends, or patience does, before an answer is complete.
  std::optional<Answer> receive(Body body = Body::expected);
  // True when the other side closes, with nothing more to read before.
  bool sees_end();
  // Answers and their connection's end: how many there were.
  int answers_until_end();
  void shut_down_sending();
  void close() { fd_.close(); }
  int get() const { return fd_.get(); }

 private:
  bool read_more();

  FileDescriptor fd_;
  std::string buffer_;
};

// {"status":…,"reason":…}-like text that tests look for.
HttpResponse render_refusal(int status, std::string_view reason);

// Says what came: "POST /path body".
HttpResponse echo(const HttpRequest& request);

inline std::unique_ptr<Server> started(std::unique_ptr<Server> server) {
  server->start();
  return server;
}
std::unique_ptr<Server> serve(HttpHandler handler, const ServerLimits& limits = {},
                              int threads = 2);

inline std::string get_request(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}
std::string post_request(std::string_view path, std::string_view body);

// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The most memory that this process had resident since reset_peak_memory(), in KiB.
std::size_t peak_memory_kib();
std::size_t resident_memory_kib();
void reset_peak_memory();
// What `kib` of ours may come to: a sanitizer's own memory counts as resident too.
inline constexpr std::size_t with_sanitizer(std::size_t kib) { return kib * kSanitizerFactor; }

// The soft limit on open files raised to the hard one.
std::size_t raise_open_files();

}  // namespace webhookd
