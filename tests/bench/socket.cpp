#include "bench/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace webhookd::bench {
namespace {

constexpr int kBacklog = 4096;

// The socket calls take every kind of address through this one type.
template <typename Specific>
const sockaddr* generic(const Specific& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

FileDescriptor new_socket(int family, int flags) {
  FileDescriptor socket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
  if (!socket) fail_with_errno("socket");
  return socket;
}

FileDescriptor connect_tcp(std::uint16_t port) {
  FileDescriptor socket = new_socket(AF_INET, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(socket.get(), generic(address), sizeof address) != 0) {
    fail_with_errno("connect to 127.0.0.1:" + std::to_string(port));
  }
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

FileDescriptor connect_unix(const std::filesystem::path& path) {
  FileDescriptor socket = new_socket(AF_UNIX, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.string().size() >= sizeof address.sun_path) {
    throw Failed("too long for a Unix socket, choose a shorter --dir: " + path.string());
  }
  std::strcpy(address.sun_path, path.c_str());
  if (::connect(socket.get(), generic(address), sizeof address) != 0) {
    fail_with_errno("connect to " + path.string());
  }
  return socket;
}

}  // namespace

void fail_with_errno(const std::string& what) {
  throw Failed(what + ": " + std::generic_category().message(errno));
}

FileDescriptor connect_to(const Address& address) {
  const auto* const port = std::get_if<std::uint16_t>(&address);
  return port != nullptr ? connect_tcp(*port)
                         : connect_unix(std::get<std::filesystem::path>(address));
}

Listener listen_on_loopback() {
  Listener listener{new_socket(AF_INET, SOCK_NONBLOCK), 0};
  sockaddr_in address = loopback(0);
  if (::bind(listener.socket.get(), generic(address), sizeof address) != 0) {
    fail_with_errno("bind");
  }
  if (::listen(listener.socket.get(), kBacklog) != 0) fail_with_errno("listen");
  socklen_t size = sizeof address;
  auto* const out = static_cast<sockaddr*>(static_cast<void*>(&address));
  if (::getsockname(listener.socket.get(), out, &size) != 0) fail_with_errno("getsockname");
  listener.port = ntohs(address.sin_port);
  return listener;
}

void make_nonblocking(const FileDescriptor& fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) fail_with_errno("fcntl");
}

}  // namespace webhookd::bench
