#pragma once

// What lies between the doors (server.h), which know sockets and bytes, and the handlers, which
// know requests.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/file_descriptor.h"

namespace webhookd {

// Who is at the other end of a Unix socket, by SO_PEERCRED and SO_PEERGROUPS.
struct PeerCredentials {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::vector<gid_t> groups;
};

// A complete request, within all bounds.
struct HttpRequest {
  std::string method;  // as sent; HEAD stays HEAD
  std::string path;    // percent-decoded but for %2F, valid UTF-8, begins with '/'; no query
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, raw values
  std::string body;
  std::string remote;                   // "127.0.0.1", "::1" or "unix"
  std::optional<PeerCredentials> peer;  // set on the Unix socket only
  std::string request_id;               // the caller's when sane, else generated

  // The first value; absent when there is none. `name` in lower case.
  std::optional<std::string_view> header(std::string_view name) const;
  std::optional<std::string_view> query_value(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those the door adds
  std::string content_type = "application/json";
  std::string body;
  // Whether HEAD tells the body's length: not where GET would stream.
  enum class Length { known, unknown };
  Length length = Length::known;
  // Set: takes the connection over, and all else of the answer is its business. Called once, on the
  // poller; must not block.
  std::function<void(FileDescriptor)> hand_over;
};

// Called on a pool thread; may block. What it throws becomes a 500 without its text.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// Gives a request its response. Called once, on any thread; quick, and never throws.
using Respond = std::function<void(HttpResponse)>;

// Takes a request that it can answer without waiting for anything: true, and `respond` is called
// sooner or later, perhaps before it returns. False: the request goes to a pool thread. Called on
// the poller's thread, which all connections of the door wait for; must neither block nor throw.
using QuickHandler = std::function<bool(const HttpRequest&, const Respond&)>;

// A request that was refused before a handler could see it (too large, malformed, too slow), or
// whose handler threw: gives the answer its body. `status` is one of 400, 408, 411, 413, 414, 431,
// 500 (with an empty reason), 501, 503, 505. Thread-safe and quick.
using RefusalRenderer = std::function<HttpResponse(int status, std::string_view reason)>;

}  // namespace webhookd
