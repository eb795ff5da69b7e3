#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <mutex>
#include <stdexcept>

#include "api/server_fixture.h"

namespace webhookd {
namespace {

using Catch::Matchers::Contains;

std::unique_ptr<Server> serve_at(const SocketPath& path, HttpHandler handler = echo) {
  return started(bind_server(path, {}, 2, std::move(handler), render_refusal));
}

std::unique_ptr<Server> serve_at(const TcpAddress& address) {
  return started(bind_server(address, {}, 2, echo, render_refusal));
}

struct stat status_of(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

// A socket file whose owner has died.
void leave_stale_socket(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const void* const raw = &address;
  REQUIRE(::bind(fd.get(), static_cast<const sockaddr*>(raw), sizeof address) == 0);
}

bool has_ipv6_loopback() {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const FileDescriptor fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const void* const raw = &address;
  return fd && ::bind(fd.get(), static_cast<const sockaddr*>(raw), sizeof address) == 0;
}

}  // namespace

TEST_CASE("a Unix socket has its mode and leaves nothing beside it") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "d.sock";
  for (const int mode : {0600, 0660}) {
    const auto server = serve_at({path, mode, std::nullopt});
    CHECK(server->address() == "unix:" + path.string());
    const auto status = status_of(path);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK((status.st_mode & 07777) == static_cast<mode_t>(mode));
    const std::filesystem::directory_iterator all(directory.path());
    CHECK(std::distance(begin(all), end(all)) == 1);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a Unix socket and its directory are given to the group") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "sub" / "deeper" / "d.sock";
  const gid_t group = ::getuid() == 0 ? 4242 : ::getgid();
  const auto server = serve_at({path, 0660, group});
  CHECK(status_of(path).st_gid == group);
  CHECK(status_of(path.parent_path()).st_gid == group);
  CHECK((status_of(path.parent_path()).st_mode & 07777) == 0750);
}

TEST_CASE("missing directories of a Unix socket are made for this user alone") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "sub" / "d.sock";
  const auto server = serve_at({path, 0600, std::nullopt});
  CHECK((status_of(path.parent_path()).st_mode & 07777) == 0700);
}

TEST_CASE("on a Unix socket the handler sees who is there") {
  const TemporaryDirectory directory;
  std::mutex mutex;
  HttpRequest seen;
  const auto server =
      serve_at({directory.path() / "d.sock", 0600, std::nullopt}, [&](const HttpRequest& request) {
        const std::lock_guard lock(mutex);
        seen = request;
        return echo(request);
      });
  RawClient client(server->address());
  REQUIRE(client.send(post_request("/p", "body")));
  CHECK(client.receive()->body == "POST /p body");
  const std::lock_guard lock(mutex);
  CHECK(seen.remote == "unix");
  REQUIRE(seen.peer);
  CHECK(seen.peer->uid == ::getuid());
  CHECK(seen.peer->gid == ::getgid());
  CHECK(seen.peer->pid == ::getpid());
  std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
  ::getgroups(static_cast<int>(groups.size()), groups.data());
  CHECK(seen.peer->groups == groups);
}

TEST_CASE("a stale socket is replaced") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "d.sock";
  leave_stale_socket(path);
  const auto server = serve_at({path, 0600, std::nullopt});
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/")));
  CHECK(client.receive()->status == 200);
}

TEST_CASE("a socket on which another daemon answers is left alone") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "d.sock";
  const auto first = serve_at({path, 0600, std::nullopt});
  CHECK_THROWS_WITH(serve_at({path, 0600, std::nullopt}),
                    Contains("another daemon answers on " + path.string()) && Contains("--socket"));
  RawClient client(first->address());
  REQUIRE(client.send(get_request("/")));
  CHECK(client.receive()->status == 200);
}

TEST_CASE("what is no socket is neither replaced nor removed") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "d.sock";
  std::ofstream(path) << "mine";
  CHECK_THROWS_WITH(serve_at({path, 0600, std::nullopt}), Contains("no socket"));
  CHECK(std::filesystem::file_size(path) == 4);
}

TEST_CASE("at its end a door removes its own socket and nobody else's") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "d.sock";
  const auto server = serve_at({path, 0600, std::nullopt});
  std::filesystem::remove(path);
  leave_stale_socket(path);
  server->stop();
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("a Unix path that is too long or in no directory is refused with its reason") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / std::string(120, 'a');
  CHECK_THROWS_WITH(serve_at({path, 0600, std::nullopt}),
                    Contains("at most 107 bytes") && Contains("--socket"));
  std::ofstream(directory.path() / "file") << "x";
  CHECK_THROWS_WITH(serve_at({directory.path() / "file" / "d.sock", 0600, std::nullopt}),
                    Contains("cannot listen on") && Contains("--socket"));
}

TEST_CASE("a Unix path of the greatest length is served, however short its last name") {
  const TemporaryDirectory directory;
  const std::size_t spare = 107 - directory.path().string().size() - std::string("//s").size();
  const auto path = directory.path() / std::string(spare, 'a') / "s";
  REQUIRE(path.string().size() == 107);
  const auto server = serve_at({path, 0600, std::nullopt});
  CHECK((status_of(path).st_mode & 07777) == 0600);
  const std::filesystem::directory_iterator all(path.parent_path());
  CHECK(std::distance(begin(all), end(all)) == 1);
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/")));
  CHECK(client.receive()->status == 200);
}

TEST_CASE("a Unix path that is a byte too long is refused by its own name") {
  const TemporaryDirectory directory;
  const std::size_t spare = 108 - directory.path().string().size() - std::string("//s").size();
  const auto path = directory.path() / std::string(spare, 'a') / "s";
  CHECK_THROWS_WITH(serve_at({path, 0600, std::nullopt}), Contains(path.string() + ": "));
  CHECK_FALSE(std::filesystem::exists(path.parent_path()));
}

TEST_CASE("who comes before a door is started is served once it is") {
  const auto server = bind_server(TcpAddress{"127.0.0.1", 0}, {}, 2, echo, render_refusal);
  RawClient client(server->address());
  REQUIRE(client.send(get_request("/early")));
  server->start();
  CHECK(client.receive()->body == "GET /early ");
}

TEST_CASE("a taken port is refused with a sentence that says what to do") {
  const auto first = serve_at(TcpAddress{"127.0.0.1", 0});
  const auto port = std::stoi(first->address().substr(first->address().rfind(':') + 1));
  CHECK_THROWS_WITH(serve_at(TcpAddress{"127.0.0.1", static_cast<std::uint16_t>(port)}),
                    "cannot listen on 127.0.0.1:" + std::to_string(port) +
                        ": address already in use; stop the other process or choose another "
                        "port with --listen");
}

TEST_CASE("a port is free again at once after a stop") {
  auto first = serve_at(TcpAddress{"127.0.0.1", 0});
  RawClient client(first->address());
  REQUIRE(client.send("GET / HTTP/1.0\r\n\r\n"));
  REQUIRE(client.receive());
  const auto port = std::stoi(first->address().substr(first->address().rfind(':') + 1));
  first.reset();
  CHECK_NOTHROW(serve_at(TcpAddress{"127.0.0.1", static_cast<std::uint16_t>(port)}));
}

TEST_CASE("an IPv6 address is served with and without brackets") {
  if (!has_ipv6_loopback()) {
    WARN("not tested: this machine has no ::1");
    return;
  }
  for (const char* const host : {"::1", "[::1]"}) {
    const auto server = serve_at(TcpAddress{host, 0});
    CHECK_THAT(server->address(), Catch::StartsWith("http://[::1]:"));
    RawClient client(server->address());
    REQUIRE(client.send(get_request("/")));
    CHECK(client.receive()->status == 200);
  }
}

TEST_CASE("an address that is not this machine's is refused") {
  CHECK_THROWS_WITH(serve_at(TcpAddress{"192.0.2.1", 0}),
                    Contains("cannot listen on 192.0.2.1:0: ") && Contains("--listen"));
  CHECK_THROWS_WITH(serve_at(TcpAddress{"", 0}), Contains("host is missing"));
}

}  // namespace webhookd
