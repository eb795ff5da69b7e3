#include "api/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <stdexcept>

#include "api/query.h"

namespace webhookd {
namespace {

TcpAddress address_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_integer(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535 || colon == 0) {
    throw std::runtime_error(fmt::format(
        "\"{}\" is no address to listen on: give --listen ADDRESS:PORT, like 127.0.0.1:8420 or "
        "[::1]:8420",
        text));
  }
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  return {host, static_cast<std::uint16_t>(*port)};
}

// Throws when the host is no numeric address: which of a name's addresses is bound must not
// depend on a resolver.
bool is_loopback(const TcpAddress& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24U) == 127;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
  throw std::runtime_error(
      fmt::format("cannot listen on \"{}\": give --listen a numeric address", address.host));
}

}  // namespace

TcpAddress parse_listen(const std::string& text, Plaintext plaintext) {
  TcpAddress address = address_of(text);
  if (!is_loopback(address) && plaintext == Plaintext::on_loopback) {
    throw std::runtime_error(fmt::format(
        "{} is not a loopback address: use --allow-plaintext behind a TLS proxy", text));
  }
  return address;
}

}  // namespace webhookd
