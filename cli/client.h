#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cli/errors.h"

namespace webhookd {

struct SocketTarget {
  std::filesystem::path path;
};

struct ServerTarget {
  std::string url;                               // http or https, no '/' at its end
  std::optional<std::filesystem::path> ca_file;  // instead of the system's certificates
};

// A Bearer token. Goes into one request header and nowhere else.
struct Token {
  std::string value;
};

struct Connection {
  std::variant<SocketTarget, ServerTarget> target;
  std::optional<Token> token;
  std::chrono::milliseconds timeout{30'000};  // of one request, from the name to the last byte
};

using Query = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string path;  // percent-encoded
  Query query;       // not encoded
  std::optional<std::string> body;
  // Ends it earlier than the connection's timeout does.
  std::optional<std::chrono::milliseconds> within = std::nullopt;
  const char* content_type = "application/json";  // of the body
};

// An answer that comes for as long as both sides like.
struct StreamRequest {
  std::string path;
  Query query;          // not encoded
  std::string last_id;  // goes on behind this one; empty: from the beginning of it
  // Without a byte for so long it counts as broken.
  std::chrono::milliseconds longest_silence{45'000};
};

enum class Stream { go_on, end };

struct Answer {
  int status = 0;
  std::string body;
  std::string request_id;
  std::string server_version;  // empty: not a webhookd
};

// Where requests are told to: `verbose` lines are one per request, `debug` lines hold requests and
// answers with secrets masked.
struct Trace {
  std::function<void(std::string_view)> verbose;
  std::function<void(std::string_view)> debug;  // may be empty
};

// Speaks HTTP to one server over one connection, which is opened by the first request. Follows no
// redirects and no proxy from the environment. Not thread-safe.
class Client {
 public:
  Client(Connection connection, Trace trace);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Any answer. Throws CliError when none came: unreachable, timed_out, denied (a socket that may
  // not be opened), or internal for one that is no HTTP, cut off or too large.
  Answer send(const Request& request);

  // An answer with a 2xx status. Throws CliError as send() does, and what another status means.
  Answer call(const Request& request);

  // Hands over what comes of a 2xx answer as it comes, until the server ends it, nothing comes for
  // too long, or `on_bytes` wants no more; it is also called with nothing now and then. Any other
  // answer comes back as send() gives it. Throws CliError as send() does when no answer came.
  Answer stream(const StreamRequest& request,
                const std::function<Stream(std::string_view)>& on_bytes);

  // For calls that wait for something by design. Never shortens.
  void allow_at_least(std::chrono::milliseconds timeout);

 private:
  class Transfer;
  void trace_request(const Request& request) const;
  void trace_answer(const Request& request, const Answer& answer) const;
  // `code_number`: a CURLcode.
  CliError failure_of(const Request& request, int code_number) const;
  void check_socket_path() const;

  Connection connection_;
  Trace trace_;
  std::unique_ptr<Transfer> transfer_;
};

// Why a daemon's socket cannot be used, by the errno of connect(): denied, naming the group that
// may, or unreachable, saying how to start a daemon.
CliError socket_failure(const std::filesystem::path& socket, int error);

// "/api/v1/admin/webhooks/" and, percent-encoded, the id; `rest` begins with '/'.
std::string webhook_path(std::string_view id, std::string_view rest = "");
inline constexpr std::string_view kWebhooksPath = "/api/v1/admin/webhooks/";

}  // namespace webhookd
