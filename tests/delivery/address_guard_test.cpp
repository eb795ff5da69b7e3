#include "delivery/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <stdexcept>
#include <vector>

namespace webhookd {
namespace {

bool is_refused(const std::string& text, const std::vector<std::string>& allow = {}) {
  const std::optional<IpAddress> address = IpAddress::parse(text);
  REQUIRE(address);
  return AddressGuard(allow).refusal(*address).has_value();
}

std::optional<std::string> refusal_of_url(const std::string& text,
                                          const std::vector<std::string>& allow = {}) {
  const auto url = parse_url(text);
  REQUIRE(std::holds_alternative<Url>(url));
  return AddressGuard(allow).refusal(std::get<Url>(url));
}

struct Range {
  const char* before;  // empty: a neighbour that is refused too, or none
  const char* first;
  const char* last;
  const char* after;
};

const std::vector<Range> kRanges{
    {"", "0.0.0.0", "0.255.255.255", "1.0.0.0"},
    {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
    {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
    {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
    {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
    {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
    {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
    {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
    {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
    {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
    {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
    {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
    {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
    {"223.255.255.255", "224.0.0.0", "239.255.255.255", ""},
    {"", "240.0.0.0", "255.255.255.255", ""},
    {"", "::", "::ffff:ffff", "::1:0:0"},
    {"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9b::1:0:0"},
    {"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
     "64:ff9b:2::"},
    {"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::"},
    {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
     "2001:1::"},
    {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
     "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
    {"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "2003::"},
    {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
     "3fff:1000::"},
    {"5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "5f01::"},
    {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "fe00::"},
    {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     ""},
    {"", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
    {"", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
};

}  // namespace

TEST_CASE("every network of the list is refused from its first to its last address") {
  for (const Range& range : kRanges) {
    CAPTURE(range.first, range.last);
    CHECK(is_refused(range.first));
    CHECK(is_refused(range.last));
    if (*range.before != '\0') CHECK_FALSE(is_refused(range.before));
    if (*range.after != '\0') CHECK_FALSE(is_refused(range.after));
  }
}

TEST_CASE("public addresses are allowed") {
  for (const char* text : {"1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111",
                           "2a00:1450:4001::1", "::ffff:8.8.8.8"}) {
    CAPTURE(text);
    CHECK_FALSE(is_refused(text));
  }
}

TEST_CASE("a mapped address is judged as the IPv4 address in it") {
  CHECK(is_refused("::ffff:127.0.0.1"));
  CHECK(is_refused("::ffff:a9fe:a9fe"));
  CHECK_FALSE(is_refused("::ffff:127.0.0.1", {"127.0.0.0/8"}));
  CHECK_FALSE(is_refused("127.0.0.1", {"::ffff:127.0.0.0/104"}));
  CHECK(is_refused("::ffff:10.0.0.1", {"127.0.0.0/8"}));
}

TEST_CASE("allowed networks are exactly those that are listed") {
  CHECK_FALSE(is_refused("10.1.2.3", {"10.0.0.0/8"}));
  CHECK_FALSE(is_refused("10.1.2.3", {"10.1.2.3"}));
  CHECK(is_refused("10.1.2.4", {"10.1.2.3"}));
  CHECK(is_refused("10.1.2.4", {"10.1.2.2/31"}));
  CHECK_FALSE(is_refused("::1", {"::1"}));
  CHECK(is_refused("::2", {"::1/128"}));
  CHECK_FALSE(is_refused("fd12::1", {"fd00::/8"}));
  CHECK(is_refused("fc12::1", {"fd00::/8"}));
  CHECK_FALSE(is_refused("192.168.7.7", {"0.0.0.0/0"}));
  CHECK(is_refused("fd12::1", {"0.0.0.0/0"}));
}

TEST_CASE("a refusal names the address, its network and the way out") {
  CHECK(AddressGuard({}).refusal(*IpAddress::parse("127.0.0.1")) ==
        "127.0.0.1 is in 127.0.0.0/8, which is not public; to permit it, list it in "
        "allow_networks");
}

TEST_CASE("what is no network is an error that says why") {
  const std::vector<std::pair<std::string, std::string>> faults{
      {"", "no IP address"},
      {"localhost", "no IP address"},
      {"10.0.0", "no IP address"},
      {"10.0.0.0.0/8", "no IP address"},
      {"[::1]", "no IP address"},
      {"fe80::1%eth0/64", "no IP address"},
      {" 10.0.0.0/8", "no IP address"},
      {"10.0.0.0/33", "0 to 32"},
      {"10.0.0.0/-1", "0 to 32"},
      {"10.0.0.0/", "0 to 32"},
      {"10.0.0.0/8x", "0 to 32"},
      {"10.0.0.0/255.0.0.0", "0 to 32"},
      {"::/129", "0 to 128"},
      {"10.0.0.1/8", "bits set after the prefix"},
      {"fd00::1/8", "bits set after the prefix"},
      {"::ffff:10.0.0.0/8", "at least a /96"},
  };
  for (const auto& [text, reason] : faults) {
    CAPTURE(text);
    CHECK_THROWS_AS(Network::parse(text), std::invalid_argument);
    CHECK_THROWS_WITH(Network::parse(text), Catch::Contains(reason) && Catch::Contains(text));
  }
}

TEST_CASE("every spelling of a literal in a URL is judged") {
  for (const char* host : {"127.0.0.1",
                           "127.1",
                           "127.0.1",
                           "2130706433",
                           "0x7f000001",
                           "0x7f.1",
                           "0177.0.0.1",
                           "017700000001",
                           "0",
                           "[::1]",
                           "[0:0:0:0:0:0:0:1]",
                           "[::ffff:127.0.0.1]",
                           "[::ffff:7f00:1]",
                           "[::127.0.0.1]",
                           "[64:ff9b::7f00:1]",
                           "[2002:7f00:1::]",
                           "[fe80::1]",
                           "169.254.169.254",
                           "0xa9fea9fe",
                           "[fd00:ec2::254]"}) {
    CAPTURE(host);
    CHECK(refusal_of_url("http://" + std::string{host} + "/x"));
    CHECK(refusal_of_url("https://" + std::string{host} + ":8443"));
  }
}

TEST_CASE("names and public literals in a URL are not refused before they are resolved") {
  for (const char* host :
       {"localhost", "example.com", "1.1.1.1", "[2606:4700::1111]", "127.0.0.1.nip.io"}) {
    CAPTURE(host);
    CHECK_FALSE(refusal_of_url("http://" + std::string{host} + "/"));
  }
}

TEST_CASE("socket addresses are judged by family, and unknown families refused") {
  const AddressGuard guard({});
  sockaddr_storage storage{};
  auto& four = reinterpret_cast<sockaddr_in&>(storage);
  four.sin_family = AF_INET;
  inet_pton(AF_INET, "8.8.8.8", &four.sin_addr);
  CHECK_FALSE(guard.refusal(reinterpret_cast<sockaddr&>(storage)));
  inet_pton(AF_INET, "10.0.0.1", &four.sin_addr);
  CHECK(guard.refusal(reinterpret_cast<sockaddr&>(storage)));
  storage = {};
  auto& six = reinterpret_cast<sockaddr_in6&>(storage);
  six.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "::ffff:10.0.0.1", &six.sin6_addr);
  CHECK(guard.refusal(reinterpret_cast<sockaddr&>(storage)));
  storage = {};
  storage.ss_family = AF_UNIX;
  CHECK(guard.refusal(reinterpret_cast<sockaddr&>(storage)));
}

}  // namespace webhookd
