#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <variant>

#include "api/file_descriptor.h"

namespace webhookd::bench {

// A step that did not do what the measurement relies on. What it ends yields no figure.
class Failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Failed with errno's text after `what`.
[[noreturn]] void fail_with_errno(const std::string& what);

// A port of 127.0.0.1, or the path of a Unix socket.
using Address = std::variant<std::uint16_t, std::filesystem::path>;

// A connected, blocking socket. Throws Failed.
FileDescriptor connect_to(const Address& address);

struct Listener {
  FileDescriptor socket;  // non-blocking
  std::uint16_t port = 0;
};

// On any free port of 127.0.0.1. Throws Failed.
Listener listen_on_loopback();

void make_nonblocking(const FileDescriptor& fd);

}  // namespace webhookd::bench
