#include "shared/url.h"

#include <catch2/catch.hpp>

using namespace webhookd;

namespace {

Url url_of(std::string_view text) {
  const auto parsed = parse_url(text);
  if (const auto* fault = std::get_if<UrlFault>(&parsed)) FAIL(text << ": " << fault->reason);
  return std::get<Url>(parsed);
}

UrlFault fault_of(std::string_view text) {
  const auto parsed = parse_url(text);
  if (std::holds_alternative<Url>(parsed)) FAIL(text << " was accepted");
  return std::get<UrlFault>(parsed);
}

}  // namespace

TEST_CASE("a URL is taken apart and its text kept as it was written") {
  const Url url = url_of("HTTPS://Example.COM:8443/Path/..?q=%41&x");
  CHECK(url.text == "HTTPS://Example.COM:8443/Path/..?q=%41&x");
  CHECK(url.scheme == "https");
  CHECK(url.host == "example.com");
  CHECK(url.port == 8443);
}

TEST_CASE("a URL without a port has its scheme's") {
  CHECK(url_of("http://a").port == 80);
  CHECK(url_of("https://a/").port == 443);
  CHECK(url_of("https://a:/x").port == 443);
  CHECK(url_of("https://a?x").port == 443);
  CHECK(url_of("http://a:65535/").port == 65535);
}

TEST_CASE("an IPv4 address is seen through every spelling") {
  const auto* text =
      GENERATE("http://127.0.0.1/", "http://0x7f.1/", "http://0177.0.0.1/", "http://2130706433/",
               "http://127.1/", "http://0x7F000001/", "http://017700000001", "http://127.0.1");
  CAPTURE(text);
  CHECK(url_of(text).host == "127.0.0.1");
}

TEST_CASE("an IPv6 address keeps its brackets and is written one way") {
  CHECK(url_of("http://[::1]:8080/").host == "[::1]");
  CHECK(url_of("http://[::1]:8080/").port == 8080);
  CHECK(url_of("http://[2001:DB8:0:0:0:0:0:1]/").host == "[2001:db8::1]");
  CHECK(url_of("http://[::ffff:127.0.0.1]/").host == "[::ffff:127.0.0.1]");
}

TEST_CASE("a scheme other than http and https is a fault of its own") {
  for (const auto* text : {"ftp://a/", "file:///etc/passwd", "gopher://a", "mailto:a@b", "ws://a",
                           "javascript:alert(1)", "httpx://a", "localhost:8080/x"}) {
    CAPTURE(text);
    CHECK(fault_of(text).kind == UrlFault::Kind::scheme);
  }
}

TEST_CASE("userinfo is not allowed, not even an empty one") {
  for (const auto* text : {"http://user@a/", "http://user:pw@a/", "http://@a/", "http://:@a/",
                           "http://a\\@b/", "http://a@b@c"}) {
    CAPTURE(text);
    CHECK(fault_of(text).kind == UrlFault::Kind::rule);
    CHECK(fault_of(text).reason == "userinfo is not allowed");
  }
  CHECK(url_of("http://a/@b").host == "a");
}

TEST_CASE("a fragment is not allowed, not even an empty one") {
  for (const auto* text : {"http://a/#x", "http://a#", "http://a/?q#", "http://a/#"}) {
    CAPTURE(text);
    CHECK(fault_of(text).kind == UrlFault::Kind::rule);
    CHECK(fault_of(text).reason == "a fragment is not allowed");
  }
}

TEST_CASE("spaces, control characters and what is not UTF-8 are refused") {
  using namespace std::string_view_literals;
  for (const auto text :
       {"http://a/b c"sv, " http://a/"sv, "http://a/ "sv, "http://a/\n"sv, "http://a/\r\nX: y"sv,
        "http://a/\t"sv, "http://a/\x7F"sv, "http://a/\0b"sv, "http://a\0.b/"sv, "http://a/\xFF"sv,
        "http://a/\xC0\xAF"sv, "ht\ntp://a/"sv}) {
    CAPTURE(text);
    CHECK(fault_of(text).kind == UrlFault::Kind::malformed);
  }
}

TEST_CASE("a path may hold UTF-8 but a host must be punycode") {
  CHECK(url_of("http://a/caf\xC3\xA9").host == "a");
  CHECK(url_of("http://xn--caf-dma.example/").host == "xn--caf-dma.example");
  const UrlFault fault = fault_of("http://caf\xC3\xA9.example/");
  CHECK(fault.kind == UrlFault::Kind::malformed);
  CHECK(fault.reason.find("punycode") != std::string::npos);
}

TEST_CASE("what has no host is malformed") {
  for (const auto* text :
       {"", "http://", "http:///", "http:///path", "http://?q", "http://:80/", "http:a", "http:/a",
        "http:////a", "/path", "a/b", "//a/b", "://a", "http", "1http://a", "http://.", "http://..",
        "http://a..b", "http://.a"}) {
    CAPTURE(text);
    CHECK(fault_of(text).kind == UrlFault::Kind::malformed);
  }
}

TEST_CASE("a broken host is malformed") {
  for (const auto* text : {"http://[::1",
                           "http://[]/",
                           "http://[::1]x/",
                           "http://[fe80::1%25eth0]/",
                           "http://[fe80::1%eth0]/",
                           "http://[1.2.3.4]/",
                           "http://[v1.x]/",
                           "http://a%2eb/",
                           "http://%31%32%37.0.0.1/",
                           "http://a,b/",
                           "http://a<b/",
                           "http://a|b/",
                           "http://a\\b/",
                           "http://a`b/",
                           "http://256.1.1.1/",
                           "http://1.2.3.4.5/",
                           "http://127.0.0.1./",
                           "http://0x100000000/",
                           "http://a.0x7f/",
                           "http://1.2.3.0x",
                           "http://4294967296"}) {
    CAPTURE(text);
    CHECK(fault_of(text).kind == UrlFault::Kind::malformed);
  }
}

TEST_CASE("a host name is no longer than the domain name system allows") {
  CHECK(url_of("http://" + std::string(253, 'a') + "/").host.size() == 253);
  CHECK(fault_of("http://" + std::string(254, 'a') + "/").reason == "the host is too long");
}

TEST_CASE("a port is a number from 1 to 65535") {
  for (const auto* text :
       {"http://a:0/", "http://a:65536/", "http://a:99999999999/", "http://a:x/", "http://a:-1/",
        "http://a:80x/", "http://a:80:80/", "http://[::1]:0/", "http://a:+80/", "http://a:00/"}) {
    CAPTURE(text);
    CHECK(fault_of(text).kind == UrlFault::Kind::malformed);
  }
}

TEST_CASE("a URL has at most 2048 bytes") {
  const std::string start = "http://a/";
  CHECK(url_of(start + std::string(kMaxUrlLength - start.size(), 'x')).host == "a");
  CHECK(fault_of(start + std::string(kMaxUrlLength - start.size() + 1, 'x')).kind ==
        UrlFault::Kind::rule);
}

TEST_CASE("usual hosts are accepted") {
  CHECK(url_of("http://localhost:3000/hook").host == "localhost");
  CHECK(url_of("http://my_service.internal/").host == "my_service.internal");
  CHECK(url_of("https://example.com./").host == "example.com.");
  CHECK(url_of("https://3com.example/").host == "3com.example");
  CHECK(url_of("https://a.b.c4/").host == "a.b.c4");
}

TEST_CASE("all but unreserved characters are percent-encoded") {
  CHECK(percent_encode("AZaz09-._~") == "AZaz09-._~");
  CHECK(percent_encode("a b/c?d&e=f%+#") == "a%20b%2Fc%3Fd%26e%3Df%25%2B%23");
  CHECK(percent_encode("\xC3\xA9\xFF") == "%C3%A9%FF");
  CHECK(percent_encode(std::string_view("\0", 1)) == "%00");
}
