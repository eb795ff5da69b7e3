#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "api/file_descriptor.h"
#include "api/http.h"
#include "api/server.h"

namespace webhookd {

// Throws std::runtime_error as bind_server does, for a path that is longer than a socket's may be.
void check_socket_path(const std::filesystem::path& path);

// A socket that listens, non-blocking. On a Unix path: owns the file, and removes it at the end
// unless another daemon has put its own there.
class ListeningSocket {
 public:
  // Throws std::runtime_error as bind_server does.
  explicit ListeningSocket(const std::variant<TcpAddress, SocketPath>& where);
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  ~ListeningSocket() { close(); }

  int get() const { return fd_.get(); }
  // "unix:PATH" or "http://HOST:PORT" with the port that was bound.
  const std::string& address() const { return address_; }
  // Idempotent.
  void close();

 private:
  void listen_on(const TcpAddress& where);
  void listen_on(const SocketPath& where);

  FileDescriptor fd_;
  std::string address_;
  std::filesystem::path path_;  // empty on TCP
  dev_t device_ = 0;            // of path_, to know it again
  ino_t inode_ = 0;
};

struct Accepted {
  FileDescriptor fd;  // non-blocking, without Nagle's delay
  std::string remote;
  std::optional<PeerCredentials> peer;
};

// errno when nothing was accepted.
std::variant<Accepted, int> accept_from(const ListeningSocket& socket);

}  // namespace webhookd
