#pragma once

// Which addresses we connect to: global unicast, and what `allow_networks` lists.

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/url.h"

namespace webhookd {

// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (::ffff:0:0/96) is the IPv4 address in it.
class IpAddress {
 public:
  enum class Family { v4, v6 };

  static IpAddress v4(const std::array<std::uint8_t, 4>& bytes);
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);

  // Absent for families other than AF_INET and AF_INET6.
  static std::optional<IpAddress> from_sockaddr(const sockaddr& address);

  // Dotted IPv4 or RFC 4291 text, with or without brackets or a zone ("%eth0", which is dropped).
  static std::optional<IpAddress> parse(std::string_view text);

  Family family() const { return family_; }
  std::span<const std::uint8_t> bytes() const {
    return {bytes_.data(), family_ == Family::v4 ? 4U : 16U};
  }
  std::string text() const;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

// "10.0.0.0/8"; a bare address is a network of one.
class Network {
 public:
  // Throws std::invalid_argument with a sentence that names the text.
  static Network parse(std::string_view text);

  bool contains(const IpAddress& address) const;
  const std::string& text() const { return text_; }

 private:
  Network(IpAddress base, int prefix, std::string text)
      : base_(base), prefix_(prefix), text_(std::move(text)) {}

  IpAddress base_;
  int prefix_;
  std::string text_;
};

// Immutable, thread-safe.
class AddressGuard {
 public:
  // Throws std::invalid_argument for a text that is no network.
  explicit AddressGuard(std::span<const std::string> allow_networks);

  // Why it is refused, as a phrase that names the address and the way to allow it.
  std::optional<std::string> refusal(const IpAddress& address) const;

  // Anything but IPv4 and IPv6 is refused.
  std::optional<std::string> refusal(const sockaddr& address) const;

  // For a URL whose host is a literal address; absent for names.
  std::optional<std::string> refusal(const Url& url) const;

 private:
  std::vector<Network> allowed_;
};

}  // namespace webhookd
