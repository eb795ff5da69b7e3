#include "api/socket_binding.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

namespace webhookd {
namespace {

constexpr int kBacklog = 1024;
constexpr int kSocketFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

// "address already in use": the system's words inside our sentence.
std::string words_of(int error) {
  std::string words = std::generic_category().message(error);
  if (!words.empty()) words[0] = static_cast<char>(std::tolower(words[0]));
  return words;
}

[[noreturn]] void fail(std::string_view where, std::string_view why, std::string_view fix) {
  throw std::runtime_error(fmt::format("cannot listen on {}: {}; {}", where, why, fix));
}

const sockaddr* as_sockaddr(const void* address) { return static_cast<const sockaddr*>(address); }

// ---- TCP ----------------------------------------------------------------------------------------

std::string_view without_brackets(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return host.substr(1, host.size() - 2);
  }
  return host;
}

std::string host_and_port(std::string_view host, std::uint16_t port) {
  const bool literal_v6 = host.find(':') != std::string_view::npos;
  return literal_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

AddressList resolve(const std::string& host, std::uint16_t port, const std::string& shown) {
  constexpr std::string_view kFix = "give --listen an address of this machine";
  if (host.empty()) fail(shown, "the host is missing", kFix);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) fail(shown, ::gai_strerror(error), kFix);
  return {found, &::freeaddrinfo};
}

std::string_view tcp_fix(int error) {
  switch (error) {
    case EADDRINUSE:
      return "stop the other process or choose another port with --listen";
    case EACCES:
      return "choose a port above 1023 with --listen";
    case EADDRNOTAVAIL:
      return "give --listen an address of this machine";
    default:
      return "choose another address with --listen";
  }
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  void* const raw = &address;
  if (::getsockname(fd, static_cast<sockaddr*>(raw), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) return ntohs(static_cast<sockaddr_in6*>(raw)->sin6_port);
  return ntohs(static_cast<sockaddr_in*>(raw)->sin_port);
}

std::string remote_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* const raw = &address;
  if (address.ss_family == AF_INET) {
    const in_addr& v4 = static_cast<const sockaddr_in*>(raw)->sin_addr;
    return ::inet_ntop(AF_INET, &v4, text.data(), text.size());
  }
  const in6_addr& v6 = static_cast<const sockaddr_in6*>(raw)->sin6_addr;
  std::string shown = ::inet_ntop(AF_INET6, &v6, text.data(), text.size());
  constexpr std::string_view kMapped = "::ffff:";
  if (IN6_IS_ADDR_V4MAPPED(&v6)) shown.erase(0, kMapped.size());
  return shown;
}

// ---- Unix sockets -------------------------------------------------------------------------------

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > kMaxSocketPath) {
    fail(path, fmt::format("a socket's path has at most {} bytes", kMaxSocketPath),
         "choose a shorter one with --socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::string_view unix_fix(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a path in a directory that this user may write to with --socket";
    default:
      return "choose another path with --socket";
  }
}

void give_to_group(const std::filesystem::path& path, const SocketPath& where) {
  if (where.group && ::chown(path.c_str(), static_cast<uid_t>(-1), *where.group) != 0) {
    fail(where.path.string(),
         fmt::format("its group cannot be {}: {}", *where.group, words_of(errno)),
         "start as root or as a member of that group");
  }
}

// The directories that are missing: for this user alone, or for the group to pass through.
void make_parents(const std::filesystem::path& directory, const SocketPath& where) {
  struct stat status {};
  if (directory.empty() || ::stat(directory.c_str(), &status) == 0) return;
  make_parents(directory.parent_path(), where);
  if (::mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) return;
    fail(where.path.string(), words_of(errno), unix_fix(errno));
  }
  if (!where.group) return;
  give_to_group(directory, where);
  if (::chmod(directory.c_str(), 0750) != 0) {
    fail(where.path.string(), words_of(errno), unix_fix(errno));
  }
}

// Refuses a path where somebody answers, or that is no socket. A stale socket may be replaced.
void check_free(const SocketPath& where) {
  const std::string path = where.path.string();
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) {
    fail(path, "the path exists and is no socket", "remove it or choose another with --socket");
  }
  const sockaddr_un address = unix_address(path);
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | kSocketFlags, 0));
  const int result = ::connect(probe.get(), as_sockaddr(&address), sizeof address);
  // Anything else (no permission, a full backlog) may well be a daemon.
  if (result != 0 && (errno == ECONNREFUSED || errno == ENOENT)) return;
  fail(path, "another daemon answers on " + path, "stop it or choose another path with --socket");
}

// A directory of its own beside the socket, removed at the end.
//
// Its path may be longer than the socket's and exceed what bind() takes: then /proc has a short
// name for it.
class PrivateDirectory {
 public:
  explicit PrivateDirectory(const SocketPath& where) {
    std::string pattern = (where.path.parent_path() / ".XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      fail(where.path.string(), words_of(errno), unix_fix(errno));
    }
    path_ = pattern;
    directory_ = FileDescriptor(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  ~PrivateDirectory() {
    ::unlink(socket().c_str());
    ::rmdir(path_.c_str());
  }
  std::string socket() const { return (path_ / "s").string(); }
  // The same socket, for bind().
  std::string socket_to_bind() const {
    std::string path = socket();
    if (path.size() <= kMaxSocketPath) return path;
    return fmt::format("/proc/self/fd/{}/s", directory_.get());
  }

 private:
  std::filesystem::path path_;
  FileDescriptor directory_;
};

std::vector<gid_t> groups_of(int fd) {
  std::vector<gid_t> groups(32);
  while (true) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    const std::size_t count = size / sizeof(gid_t);
    if (result == 0) {
      groups.resize(count);
      return groups;
    }
    if (errno != ERANGE || count <= groups.size()) return {};
    groups.resize(count);
  }
}

PeerCredentials credentials_of(int fd) {
  ucred process{};
  socklen_t size = sizeof process;
  PeerCredentials peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &size) != 0) {
    // Nobody in particular, and never root by default.
    peer.uid = static_cast<uid_t>(-1);
    peer.gid = static_cast<gid_t>(-1);
    return peer;
  }
  peer.uid = process.uid;
  peer.gid = process.gid;
  peer.pid = process.pid;
  peer.groups = groups_of(fd);
  return peer;
}

}  // namespace

void check_socket_path(const std::filesystem::path& path) {
  unix_address(std::filesystem::absolute(path).string());
}

ListeningSocket::ListeningSocket(const std::variant<TcpAddress, SocketPath>& where) {
  std::visit([this](const auto& address) { listen_on(address); }, where);
}

void ListeningSocket::listen_on(const TcpAddress& where) {
  const std::string host(without_brackets(where.host));
  const std::string shown = host_and_port(host, where.port);
  const AddressList found = resolve(host, where.port, shown);
  FileDescriptor fd(::socket(found->ai_family, SOCK_STREAM | kSocketFlags, 0));
  if (!fd) fail(shown, words_of(errno), tcp_fix(errno));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    fail(shown, words_of(errno), tcp_fix(errno));
  }
  address_ = "http://" + host_and_port(host, bound_port(fd.get()));
  fd_ = std::move(fd);
}

void ListeningSocket::listen_on(const SocketPath& given) {
  SocketPath where = given;
  where.path = std::filesystem::absolute(given.path);
  const std::string path = where.path.string();
  check_socket_path(where.path);
  make_parents(where.path.parent_path(), where);
  check_free(where);
  const PrivateDirectory directory(where);
  const std::string made = directory.socket();
  const sockaddr_un address = unix_address(directory.socket_to_bind());
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | kSocketFlags, 0));
  if (!fd || ::bind(fd.get(), as_sockaddr(&address), sizeof address) != 0) {
    fail(path, words_of(errno), unix_fix(errno));
  }
  // The group before the mode: never open to a group that was not meant.
  give_to_group(made, where);
  struct stat status {};
  if (::chmod(made.c_str(), static_cast<mode_t>(where.mode)) != 0 ||
      ::listen(fd.get(), kBacklog) != 0 || ::lstat(made.c_str(), &status) != 0 ||
      ::rename(made.c_str(), path.c_str()) != 0) {
    fail(path, words_of(errno), unix_fix(errno));
  }
  path_ = where.path;
  device_ = status.st_dev;
  inode_ = status.st_ino;
  address_ = "unix:" + path;
  fd_ = std::move(fd);
}

void ListeningSocket::close() {
  if (!fd_) return;
  struct stat status {};
  const bool ours = !path_.empty() && ::lstat(path_.c_str(), &status) == 0 &&
                    status.st_dev == device_ && status.st_ino == inode_;
  if (ours) ::unlink(path_.c_str());
  fd_.close();
}

std::variant<Accepted, int> accept_from(const ListeningSocket& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  void* const raw = &address;
  FileDescriptor fd(::accept4(socket.get(), static_cast<sockaddr*>(raw), &size, kSocketFlags));
  if (!fd) return errno;
  Accepted accepted;
  if (address.ss_family == AF_UNIX) {
    accepted.remote = "unix";
    accepted.peer = credentials_of(fd.get());
  } else {
    accepted.remote = remote_of(address);
    // An answer leaves at once, not when the last one was acknowledged.
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  accepted.fd = std::move(fd);
  return accepted;
}

}  // namespace webhookd
