// Longer than most: one parser's rules, read beside each other.

#include "api/collector.h"

#include <catch2/catch.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace webhookd {
namespace {

using Progress = Collector::Progress;

ServerLimits small_limits() {
  ServerLimits limits;
  limits.request_line_bytes = 64;
  limits.header_bytes = 256;
  limits.header_count = 5;
  limits.body_bytes = 20;
  limits.batch_body_bytes = 40;
  return limits;
}

struct Outcome {
  Progress progress = Progress::need_more;
  int status = 0;
  std::string method;
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  AfterAnswer after = AfterAnswer::keep_open;
  std::string rest;
  bool operator==(const Outcome&) const = default;
};

// What becomes of `bytes` when they arrive `step` at a time.
Outcome collect(std::string_view bytes, std::size_t step,
                const ServerLimits& limits = small_limits()) {
  Collector collector(limits);
  Outcome outcome;
  while (!bytes.empty() && outcome.progress == Progress::need_more) {
    const auto fed = collector.feed(bytes.substr(0, step));
    outcome.progress = fed.progress;
    bytes.remove_prefix(fed.consumed);
  }
  if (outcome.progress == Progress::refused) outcome.status = collector.refusal().status;
  if (outcome.progress != Progress::complete) return outcome;
  auto collected = collector.take();
  outcome.method = collected.request.method;
  outcome.path = collected.request.path;
  outcome.query = collected.request.query;
  outcome.headers = collected.request.headers;
  outcome.body = collected.request.body;
  outcome.after = collected.after;
  outcome.rest = bytes;
  return outcome;
}

Outcome collect(std::string_view bytes) { return collect(bytes, std::string_view::npos); }

std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

std::string with_header(std::string_view lines) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(lines) + "\r\n\r\n";
}

std::string chunked(std::string_view rest) {
  return "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(rest);
}

// Raw strings with NUL inside.
template <std::size_t size>
std::string text(const char (&literal)[size]) {
  return {literal, size - 1};
}

struct Refused {
  const char* what;
  int status;
  std::string bytes;
};

std::vector<Refused> refused_requests() {
  return {
      // Request line
      {"no HTTP at all", 400, text("\x16\x03\x01\x02")},
      {"NUL first", 400, text("\0")},
      {"a space before the method", 400, " GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"a method that is no token", 400, "G(T / HTTP/1.1\r\n\r\n"},
      {"an empty target", 400, "GET  HTTP/1.1\r\n\r\n"},
      {"HTTP/0.9", 400, "GET /\r\n"},
      {"two spaces before the version", 400, "GET /  HTTP/1.1\r\n\r\n"},
      {"a space in the target", 400, "GET /a b HTTP/1.1\r\n\r\n"},
      {"a tab for a space", 400, "GET\t/ HTTP/1.1\r\n\r\n"},
      {"a version in lower case", 400, "GET / http/1.1\r\n\r\n"},
      {"a version without minor", 400, "GET / HTTP/1\r\n\r\n"},
      {"a version with more digits", 400, "GET / HTTP/1.10\r\n\r\n"},
      {"HTTP/2.0", 505, "PRI * HTTP/2.0\r\n\r\n"},
      {"HTTP/1.2", 505, "GET / HTTP/1.2\r\n\r\n"},
      {"a bare LF after the request line", 400, "GET / HTTP/1.1\nHost: h\r\n\r\n"},
      {"a CR in the request line", 400, "GET /\r HTTP/1.1\r\n\r\n"},
      {"two empty lines first", 400, "\r\n\r\nGET / HTTP/1.1\r\n"},
      {"a bare LF first", 400, "\nGET / HTTP/1.1\r\n"},
      {"a request line that is too long", 414, get("/" + std::string(64, 'a'))},
      {"a request line without end", 414, std::string(64, 'a')},
      // Target
      {"the asterisk form", 400, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"the authority form", 400, "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"an absolute form without host", 400, get("http:///a")},
      {"an absolute form of another scheme", 400, get("ftp://h/a")},
      {"a relative target", 400, get("a")},
      {"a fragment", 400, get("/a#b")},
      {"half a percent sign", 400, get("/a%2")},
      {"a percent sign without digits", 400, get("/a%zz")},
      {"NUL in the path", 400, get("/a%00")},
      {"CRLF in the path", 400, get("/a%0d%0aX:%20y")},
      {"DEL in the path", 400, get("/a%7f")},
      {"invalid UTF-8 in the path", 400, get("/a%ff")},
      {"overlong UTF-8 in the path", 400, get("/a%c0%af")},
      {"a surrogate in the query", 400, get("/?a=%ed%a0%80")},
      {"NUL in a query's value", 400, get("/?a=%00")},
      {"NUL in a query's name", 400, get("/?%00=a")},
      // Header lines
      {"a bare LF after a header", 400, "GET / HTTP/1.1\r\nHost: h\n\r\n"},
      {"a bare LF for the end", 400, "GET / HTTP/1.1\r\nHost: h\r\n\n"},
      {"a folded header", 400, with_header("A: b\r\n c")},
      {"a folded first header", 400, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"},
      {"white space before the colon", 400, with_header("A : b")},
      {"a header without colon", 400, with_header("Abc")},
      {"an empty header name", 400, with_header(": b")},
      {"a header name that is no token", 400, with_header("A(: b")},
      {"a non-ASCII header name", 400, with_header("\xC3\xA4: b")},
      {"NUL in a header's value", 400, with_header(text("A: b\0c"))},
      {"a CR in a header's value", 400, with_header("A: b\rc")},
      {"an escape in a header's value", 400, with_header("A: \x1b[31m")},
      {"a header line that is too long", 431, with_header("A: " + std::string(256, 'a'))},
      {"a header line without end", 431, "GET / HTTP/1.1\r\n" + std::string(260, 'a')},
      {"headers that are too long together", 431,
       with_header("A: " + std::string(120, 'a') + "\r\nB: " + std::string(120, 'b'))},
      {"too many headers", 431, with_header("A: a\r\nB: b\r\nC: c\r\nD: d\r\nE: e")},
      {"no Host", 400, "GET / HTTP/1.1\r\n\r\n"},
      {"two Hosts", 400, with_header("Host: h")},
      {"two Hosts in HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: h\r\nhost: h\r\n\r\n"},
      {"a Host that is none", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"a Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {"another Expect", 417, with_header("Expect: 200-ok")},
      // Framing
      {"two equal Content-Lengths", 400, with_header("Content-Length: 1\r\nContent-Length: 1")},
      {"a list of Content-Lengths", 400, with_header("Content-Length: 1, 1")},
      {"an empty Content-Length", 400, with_header("Content-Length:")},
      {"a signed Content-Length", 400, with_header("Content-Length: +1")},
      {"a negative Content-Length", 400, with_header("Content-Length: -1")},
      {"a hexadecimal Content-Length", 400, with_header("Content-Length: 0x1")},
      {"a Content-Length with a space", 400, with_header("Content-Length: 1 1")},
      {"a Content-Length past 64 bits", 400, with_header("Content-Length: 18446744073709551617")},
      {"a Content-Length past 63 bits", 400, with_header("Content-Length: 9223372036854775808")},
      {"the longest Content-Length", 413, with_header("Content-Length: 9223372036854775807")},
      {"a Content-Length over the limit", 413, with_header("Content-Length: 21")},
      {"Content-Length before Transfer-Encoding", 400,
       with_header("Content-Length: 1\r\nTransfer-Encoding: chunked")},
      {"Transfer-Encoding before Content-Length", 400,
       with_header("Transfer-Encoding: chunked\r\nContent-Length: 1")},
      {"a Content-Length with an unknown Transfer-Encoding", 400,
       with_header("Transfer-Encoding: x\r\nContent-Length: 1")},
      {"Transfer-Encoding in HTTP/1.0", 400,
       "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"gzip", 501, with_header("Transfer-Encoding: gzip, chunked")},
      {"identity", 501, with_header("Transfer-Encoding: identity")},
      {"an empty Transfer-Encoding", 501, with_header("Transfer-Encoding:")},
      {"chunked twice", 501, with_header("Transfer-Encoding: chunked, chunked")},
      {"chunked in two headers", 501,
       with_header("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"a hidden Transfer-Encoding", 501, with_header("Transfer-Encoding: xchunked")},
      // Chunks
      {"a chunk without size", 400, chunked("\r\n")},
      {"a chunk size that is none", 400, chunked("g\r\n")},
      {"a chunk size with a sign", 400, chunked("+1\r\n")},
      {"a chunk size with 0x", 400, chunked("0x1\r\n")},
      {"a chunk size with a space", 400, chunked("1 \r\n")},
      {"a chunk size past 64 bits", 400, chunked("10000000000000001\r\n")},
      {"a chunk size line that ends in LF", 400, chunked("1\n")},
      {"a chunk size line without end", 400, chunked("1;" + std::string(300, 'a'))},
      {"NUL in a chunk's extension", 400, chunked(text("1;a=\0\r\n"))},
      {"a chunk that is longer than it says", 400, chunked("1\r\nab\r\n0\r\n\r\n")},
      {"a chunk that ends in LF", 400, chunked("1\r\na\n0\r\n\r\n")},
      {"a chunk over the limit", 413, chunked("15\r\n")},
      {"a huge chunk", 413, chunked("fffffffffffffff\r\n")},
      {"chunks over the limit together", 413, chunked("14\r\n12345678901234567890\r\n1\r\n")},
      {"a trailer that is no header", 400, chunked("0\r\nAbc\r\n\r\n")},
      {"trailers that are too long", 431,
       chunked("0\r\nA: " + std::string(200, 'a') + "\r\nB: " + std::string(60, 'b') + "\r\n")},
      {"a trailer without end", 431, chunked("0\r\nA: " + std::string(260, 'a'))},
      {"too many trailers", 431, chunked("0\r\nA:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\n\r\n")},
  };
}

struct Accepted {
  const char* what;
  std::string bytes;
  std::string path;
  std::string body;
};

std::vector<Accepted> accepted_requests() {
  const std::string full(64 - std::string("GET  HTTP/1.1\r\n").size() - 1, 'a');
  const std::string header(256 - std::string("Host: h\r\nA: \r\n").size(), 'a');
  return {
      {"a plain GET", get("/a"), "/a", ""},
      {"an empty line first", "\r\n" + get("/a"), "/a", ""},
      {"a request line of the most bytes", get("/" + full), "/" + full, ""},
      {"headers of the most bytes", with_header("A: " + header), "/", ""},
      {"as many headers as allowed", with_header("A: a\r\nB: b\r\nC: c\r\nD: d"), "/", ""},
      {"an absolute form", get("http://h/a?b"), "/a", ""},
      {"an absolute form without path", get("HTTPS://h"), "/", ""},
      {"an absolute form with only a query", get("http://h?x=y"), "/", ""},
      {"percent signs", get("/%61%2Fb%20c+d"), "/a%2Fb c+d", ""},
      {"UTF-8", get("/%c3%bc"), "/\xC3\xBC", ""},
      {"raw UTF-8", get("/\xC3\xBC"), "/\xC3\xBC", ""},
      {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "/", ""},
      {"an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "/", ""},
      {"HTTP/1.0 without Host", "GET /a HTTP/1.0\r\n\r\n", "/a", ""},
      {"a POST without length", "POST /a HTTP/1.1\r\nHost: h\r\n\r\n", "/a", ""},
      {"a body of the most bytes", with_header("Content-Length: 20") + std::string(20, 'b'), "/",
       std::string(20, 'b')},
      {"leading zeros", with_header("Content-Length: 0000000000000000000000003") + "abc", "/",
       "abc"},
      {"NUL in a body", with_header("Content-Length: 3") + text("a\0b"), "/", text("a\0b")},
      {"a batch",
       "POST /api/v1/events/batch HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n" +
           std::string(40, 'b'),
       "/api/v1/events/batch", std::string(40, 'b')},
      {"a batch with a slash",
       "POST /api/v1/events/batch/?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n" +
           std::string(40, 'b'),
       "/api/v1/events/batch/", std::string(40, 'b')},
      {"a GET with a body", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na", "/", "a"},
      {"chunks", chunked("3\r\nabc\r\nA\r\n1234567890\r\n0\r\n\r\n"), "/", "abc1234567890"},
      {"chunks of the most bytes", chunked("14\r\n12345678901234567890\r\n0\r\n\r\n"), "/",
       "12345678901234567890"},
      {"a chunk that looks like an end", chunked("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), "/",
       "\r\n0\r\n\r\n"},
      {"chunk extensions", chunked("1;a=b;c=\"d\"\r\nx\r\n0;e\r\n\r\n"), "/", "x"},
      {"trailers", chunked("1\r\nx\r\n0\r\nA: b\r\nHost: z\r\n\r\n"), "/", "x"},
      {"no chunks", chunked("0\r\n\r\n"), "/", ""},
      {"Transfer-Encoding in capitals", with_header("Transfer-Encoding: CHUNKED") + "0\r\n\r\n",
       "/", ""},
  };
}

}  // namespace

TEST_CASE("what is no sane request is refused with its status, however it is cut") {
  const auto requests = refused_requests();
  REQUIRE(requests.size() >= 60);
  for (const Refused& request : requests) {
    INFO(request.what);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::string::npos}) {
      INFO("step " << step);
      const Outcome outcome = collect(request.bytes, step);
      CHECK(outcome.progress == Progress::refused);
      CHECK(outcome.status == request.status);
    }
  }
}

TEST_CASE("a sane request is the same however it is cut, and what follows it stays") {
  for (const Accepted& request : accepted_requests()) {
    INFO(request.what);
    const std::string next = "GET /next";
    const Outcome whole = collect(request.bytes + next);
    CHECK(whole.progress == Progress::complete);
    CHECK(whole.path == request.path);
    CHECK(whole.body == request.body);
    CHECK(whole.rest == next);
    for (const std::size_t step : {1, 2, 3, 7, 40}) {
      INFO("step " << step);
      CHECK(collect(request.bytes + next, step) == whole);
    }
  }
}

TEST_CASE("a request that is cut short anywhere needs more and is never complete") {
  for (const Accepted& request : accepted_requests()) {
    INFO(request.what);
    for (std::size_t length = 0; length < request.bytes.size(); ++length) {
      REQUIRE(collect(request.bytes.substr(0, length)).progress == Progress::need_more);
    }
  }
}

TEST_CASE("a query is decoded in order, with plus as space") {
  const Outcome outcome = collect(get("/?a=1&b=%26%3d&&c&=d&a=x+y%2B&e=f=g"));
  const std::vector<std::pair<std::string, std::string>> expected{
      {"a", "1"}, {"b", "&="}, {"c", ""}, {"", "d"}, {"a", "x y+"}, {"e", "f=g"}};
  CHECK(outcome.query == expected);
}

TEST_CASE("header names are lower case and values are raw, without white space around them") {
  const Outcome outcome = collect(with_header("X-A:\t b%0d%0aC: d \t\r\nX-a: \xFF"));
  const std::vector<std::pair<std::string, std::string>> expected{
      {"host", "h"}, {"x-a", "b%0d%0aC: d"}, {"x-a", "\xFF"}};
  CHECK(outcome.headers == expected);
}

TEST_CASE("the method is as sent") {
  CHECK(collect("bRew /pot HTTP/1.1\r\nHost: h\r\n\r\n").method == "bRew");
}

TEST_CASE("a connection closes after HTTP/1.0 and after Connection: close") {
  CHECK(collect(get("/")).after == AfterAnswer::keep_open);
  CHECK(collect(with_header("Connection: keep-alive")).after == AfterAnswer::keep_open);
  CHECK(collect(with_header("Connection: closed")).after == AfterAnswer::keep_open);
  CHECK(collect(with_header("Connection: close")).after == AfterAnswer::close);
  CHECK(collect(with_header("connection: TE , Close")).after == AfterAnswer::close);
  CHECK(collect("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").after == AfterAnswer::close);
}

TEST_CASE("100-continue is due once, between an accepted header section and its body") {
  const ServerLimits limits = small_limits();
  Collector collector(limits);
  collector.feed("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n");
  CHECK_FALSE(collector.take_continue());
  collector.feed("\r\n");
  CHECK(collector.take_continue());
  CHECK_FALSE(collector.take_continue());
  CHECK(collector.feed("ab").progress == Progress::complete);
  CHECK_FALSE(collector.take_continue());
}

TEST_CASE("100-continue is not due for a refused, an empty or an HTTP/1.0 request") {
  const ServerLimits limits = small_limits();
  for (const char* const head :
       {"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 21\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"}) {
    Collector collector(limits);
    collector.feed(head);
    CHECK_FALSE(collector.take_continue());
  }
}

TEST_CASE("an announced body takes no memory before it is there") {
  const ServerLimits limits;
  Collector collector(limits);
  collector.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx");
  CHECK(collector.memory() < 4096);
}

TEST_CASE("a body takes no more memory than it is long, in whatever pieces it comes") {
  const ServerLimits limits;
  const auto first = GENERATE(1, 3000, 440'000, 700'000, 999'999);
  Collector collector(limits);
  collector.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  collector.feed(std::string(static_cast<std::size_t>(first), 'x'));
  for (int fed = first; fed < 999'999; fed += 1000) {
    collector.feed(std::string(static_cast<std::size_t>(std::min(1000, 999'999 - fed)), 'x'));
    REQUIRE(collector.memory() < 1'004'096);
  }
  CHECK(collector.feed("x").progress == Progress::complete);
}

TEST_CASE("a taken request leaves a fresh collector without memory of it") {
  const ServerLimits limits = small_limits();
  Collector collector(limits);
  const std::string first = "HEAD /a HTTP/1.1\r\nHost: h\r\nX-Request-ID: one\r\n\r\n";
  REQUIRE(collector.feed(first).progress == Progress::complete);
  CHECK(collector.is_head());
  CHECK(collector.take().request.request_id == "one");
  CHECK_FALSE(collector.is_head());
  CHECK(collector.memory() < 64);
  REQUIRE(collector.feed(get("/b")).progress == Progress::complete);
  const auto second = collector.take();
  CHECK(second.request.path == "/b");
  CHECK(second.request.headers.size() == 1);
  CHECK(second.request.request_id.empty());
}

TEST_CASE("a caller's request id is taken when it is sane, even from a refused request") {
  const ServerLimits limits = small_limits();
  const auto id_of = [&limits](const std::string& id) {
    Collector collector(limits);
    collector.feed(with_header("X-Request-ID: " + id + "\r\nContent-Length: 99"));
    return collector.request_id();
  };
  CHECK(id_of("aZ0._-") == "aZ0._-");
  for (const char* id : {"req:1", "Root=1-5759e988-bd862e3fe1be46a994272793", "a/b+c==", "~!#"}) {
    CHECK(id_of(id) == id);
  }
  for (const char* id : {"a,b", "a;b", "a'b", "a\\b", "a\tb", "caf\xC3\xA9"}) {
    CHECK(id_of(id).empty());
  }
  CHECK(id_of(std::string(128, 'a')) == std::string(128, 'a'));
  CHECK(id_of(std::string(129, 'a')).empty());
  CHECK(id_of("a b").empty());
  CHECK(id_of("a\"b").empty());
  CHECK(id_of("").empty());
}

}  // namespace webhookd
