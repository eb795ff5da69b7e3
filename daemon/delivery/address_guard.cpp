#include "delivery/address_guard.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace webhookd {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Contract section 5.7. ::ffff:0:0/96 is not here: what it maps is judged as IPv4.
constexpr std::array kRefused{
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
    "::/96",         "64:ff9b::/96",    "64:ff9b:1::/48", "100::/64",       "2001::/32",
    "2001:db8::/32", "2002::/16",       "3fff::/20",      "5f00::/16",      "fc00::/7",
    "fe80::/10",     "fec0::/10",       "ff00::/8",
};

const std::vector<Network>& refused_networks() {
  static const std::vector<Network> networks = [] {
    std::vector<Network> parsed;
    parsed.reserve(std::size(kRefused));
    for (const char* text : kRefused) parsed.push_back(Network::parse(text));
    return parsed;
  }();
  return networks;
}

std::string_view without_brackets(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return text;
  return text.substr(1, text.size() - 2);
}

[[noreturn]] void not_a_network(std::string_view text, std::string_view why) {
  throw std::invalid_argument(
      fmt::format("\"{}\" is not a network: {} (write it as 10.0.0.0/8 or fd00::/8)", text, why));
}

int parse_prefix(std::string_view text, std::string_view digits, int longest) {
  int prefix = -1;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  const bool whole = fault == std::errc{} && end == digits.data() + digits.size();
  if (!whole || prefix < 0 || prefix > longest) {
    not_a_network(text, fmt::format("the prefix length must be 0 to {}", longest));
  }
  return prefix;
}

bool same_bits(std::span<const std::uint8_t> left, std::span<const std::uint8_t> right, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(whole), right.begin())) {
    return false;
  }
  const int rest = bits % 8;
  if (rest == 0) return true;
  const int mask = (0xff << (8 - rest)) & 0xff;
  return (left[whole] & mask) == (right[whole] & mask);
}

bool has_bits_after(std::span<const std::uint8_t> bytes, int prefix) {
  for (int bit = prefix; bit < static_cast<int>(bytes.size()) * 8; ++bit) {
    const auto byte = bytes[static_cast<std::size_t>(bit / 8)];
    if (((byte >> (7 - bit % 8)) & 1) != 0) return true;
  }
  return false;
}

}  // namespace

IpAddress IpAddress::v4(const std::array<std::uint8_t, 4>& bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
    return v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress address;
  address.family_ = Family::v6;
  address.bytes_ = bytes;
  return address;
}

std::optional<IpAddress> IpAddress::from_sockaddr(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return v4(bytes);
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return v6(bytes);
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  text = without_brackets(text);
  const std::string plain{text.substr(0, text.find('%'))};
  if (plain.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 4> four{};
  if (plain.size() == text.size() && inet_pton(AF_INET, plain.c_str(), four.data()) == 1) {
    return v4(four);
  }
  std::array<std::uint8_t, 16> sixteen{};
  if (inet_pton(AF_INET6, plain.c_str(), sixteen.data()) == 1) return v6(sixteen);
  return std::nullopt;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  const int family = family_ == Family::v4 ? AF_INET : AF_INET6;
  inet_ntop(family, bytes_.data(), buffer.data(), static_cast<socklen_t>(buffer.size()));
  return buffer.data();
}

Network Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto address =
      host.find_first_of("%[]") == std::string_view::npos ? IpAddress::parse(host) : std::nullopt;
  if (!address) not_a_network(text, "the part before the slash is no IP address");
  const int bits = static_cast<int>(address->bytes().size()) * 8;
  if (slash == std::string_view::npos) return {*address, bits, std::string{text}};

  const std::string_view digits = text.substr(slash + 1);
  const bool mapped = host.find(':') != std::string_view::npos && bits == 32;
  int prefix = parse_prefix(text, digits, mapped ? 128 : bits);
  if (mapped) {
    if (prefix < 96) not_a_network(text, "a mapped network is at least a /96");
    prefix -= 96;
  }
  if (has_bits_after(address->bytes(), prefix)) {
    not_a_network(text, "the address has bits set after the prefix");
  }
  return {*address, prefix, std::string{text}};
}

bool Network::contains(const IpAddress& address) const {
  return address.family() == base_.family() && same_bits(address.bytes(), base_.bytes(), prefix_);
}

AddressGuard::AddressGuard(std::span<const std::string> allow_networks) {
  for (const std::string& text : allow_networks) allowed_.push_back(Network::parse(text));
}

std::optional<std::string> AddressGuard::refusal(const IpAddress& address) const {
  const auto holds = [&](const Network& network) { return network.contains(address); };
  const auto& refused = refused_networks();
  const auto network = std::find_if(refused.begin(), refused.end(), holds);
  if (network == refused.end()) return std::nullopt;
  if (std::any_of(allowed_.begin(), allowed_.end(), holds)) return std::nullopt;
  return fmt::format("{} is in {}, which is not public; to permit it, list it in allow_networks",
                     address.text(), network->text());
}

std::optional<std::string> AddressGuard::refusal(const sockaddr& address) const {
  const std::optional<IpAddress> ip = IpAddress::from_sockaddr(address);
  return ip ? refusal(*ip) : "the address is neither IPv4 nor IPv6";
}

std::optional<std::string> AddressGuard::refusal(const Url& url) const {
  std::string_view host = url.host;
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  const std::optional<IpAddress> ip = IpAddress::parse(host);
  return ip ? refusal(*ip) : std::nullopt;
}

}  // namespace webhookd
