// One thing: a request over either door, from its URL to the error that its answer means.

#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fmt/format.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>

#include "cli/raw_json.h"
#include "shared/url.h"
#include "shared/version.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxAnswerBytes = 64 * 1024 * 1024;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

struct HeaderList {
  curl_slist* list = nullptr;
  HeaderList() = default;
  ~HeaderList() { curl_slist_free_all(list); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

struct Incoming {
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
};

std::size_t on_body(const char* bytes, std::size_t, std::size_t count, void* to) {
  auto* incoming = static_cast<Incoming*>(to);
  if (incoming->body.size() + count > kMaxAnswerBytes) return 0;
  incoming->body.append(bytes, count);
  return count;
}

std::size_t on_header(const char* bytes, std::size_t, std::size_t count, void* to) {
  auto* incoming = static_cast<Incoming*>(to);
  const std::string_view line(bytes, count);
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return count;
  std::string name(line.substr(0, colon));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  std::string_view value = line.substr(colon + 1);
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!value.empty() && blank(value.front())) value.remove_prefix(1);
  while (!value.empty() && blank(value.back())) value.remove_suffix(1);
  incoming->headers.emplace_back(std::move(name), std::string(value));
  return count;
}

// What a stream's callbacks share.
struct Flowing {
  CURL* handle = nullptr;
  const std::function<Stream(std::string_view)>* on_bytes = nullptr;
  std::chrono::milliseconds longest_silence{0};
  std::chrono::steady_clock::time_point heard_at = std::chrono::steady_clock::now();
  bool unwanted = false;
  bool silent = false;
  Incoming other;  // an answer that is no stream

  bool is_stream() const {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
  }
  bool give(std::string_view bytes) {
    unwanted = unwanted || (*on_bytes)(bytes) == Stream::end;
    return !unwanted;
  }
};

std::size_t on_flow(const char* bytes, std::size_t size, std::size_t count, void* to) {
  auto* flowing = static_cast<Flowing*>(to);
  if (!flowing->is_stream()) return on_body(bytes, size, count, &flowing->other);
  flowing->heard_at = std::chrono::steady_clock::now();
  return flowing->give({bytes, count}) ? count : 0;
}

// About once a second, whether or not anything comes. Not 0 ends the transfer.
int on_time(void* to, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto* flowing = static_cast<Flowing*>(to);
  const auto silence = std::chrono::steady_clock::now() - flowing->heard_at;
  flowing->silent = silence > flowing->longest_silence;
  if (flowing->silent) return 1;
  return flowing->is_stream() && !flowing->give({}) ? 1 : 0;
}

std::string header_of(const Incoming& incoming, std::string_view name) {
  for (const auto& [key, value] : incoming.headers) {
    if (key == name) return value;
  }
  return "";
}

std::string with_query(const Request& request) {
  std::string text = request.path;
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    text += fmt::format("{}{}={}", separator, percent_encode(name), percent_encode(value));
    separator = '&';
  }
  return text;
}

std::string base_of(const Connection& connection) {
  return std::visit(Overloaded{[](const SocketTarget&) { return std::string("http://localhost"); },
                               [](const ServerTarget& server) { return server.url; }},
                    connection.target);
}

std::string group_name(gid_t gid) {
  const group* entry = getgrgid(gid);
  return entry == nullptr ? std::to_string(gid) : std::string(entry->gr_name);
}

// The group that may use the socket: its own, or, where its folder is closed to us, the folder's.
std::string owning_group(const std::filesystem::path& socket) {
  struct stat found {};
  if (stat(socket.c_str(), &found) != 0 && stat(socket.parent_path().c_str(), &found) != 0) {
    return "";
  }
  return group_name(found.st_gid);
}

// Something answered, but not as HTTP is spoken to its end.
bool is_unusable(CURLcode code, bool begun) {
  switch (code) {
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:  // HTTP/0.9: what answers speaks something else
    case CURLE_PARTIAL_FILE:
      return true;
    case CURLE_RECV_ERROR:
    case CURLE_OUT_OF_MEMORY:  // headers past curl's bounds
      return begun;
    default:
      return false;
  }
}

CliError server_failure(const std::string& url, CURLcode code, const char* text) {
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    return CliError(Exit::unreachable, fmt::format("{} is not trusted: {}", url, text),
                    "name the authority that signed its certificate with --cacert FILE");
  }
  return CliError(Exit::unreachable, fmt::format("no answer from {}: {}", url, text),
                  "is the daemon running there? `webhookctl status --server URL` asks another one");
}

}  // namespace

CliError socket_failure(const std::filesystem::path& socket, int error) {
  if (error == EACCES || error == EPERM) {
    const std::string group = owning_group(socket);
    const std::string who = group.empty() ? "its owner's group" : fmt::format("group {}", group);
    return CliError(
        Exit::denied,
        fmt::format("you may not use the socket {}; it belongs to {}", socket.string(), who),
        group.empty() || group == "root"
            ? "run this with sudo, or as the daemon's user"
            : fmt::format("join the group and log in again: sudo usermod -aG {} \"$USER\"", group));
  }
  const std::string why = error == ENOENT ? "there is no such socket"
                          : error == 0    ? "no answer"
                                          : strerror(error);
  return CliError(Exit::unreachable, fmt::format("no daemon at {}: {}", socket.string(), why),
                  "start one: `systemctl start webhookd`, or your own with `webhookd --dev`; or "
                  "name another with --server URL or --socket PATH");
}

// One easy handle, so that all requests of a command share a connection.
class Client::Transfer {
 public:
  Transfer() : handle_(curl_easy_init()) {
    if (handle_ == nullptr)
      throw CliError(Exit::internal, "libcurl cannot be set up", "is memory left?");
  }
  ~Transfer() { curl_easy_cleanup(handle_); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURLcode run(const Connection& connection, const Request& request, Incoming& incoming) {
    curl_easy_reset(handle_);
    problem_[0] = '\0';
    HeaderList headers;
    headers.add("Accept: application/json");
    headers.add("Expect:");
    if (connection.token) headers.add("Authorization: Bearer " + connection.token->value);
    if (request.body) headers.add(std::string("Content-Type: ") + request.content_type);
    const std::string url = base_of(connection) + with_query(request);
    const std::string agent = fmt::format("webhookctl/{}", kVersion);
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_USERAGENT, agent.c_str());
    set(CURLOPT_HTTPHEADER, headers.list);
    set_method(request);
    set_limits(std::min(connection.timeout, request.within.value_or(connection.timeout)));
    set_target(connection);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &incoming);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &incoming);
    return curl_easy_perform(handle_);
  }

  CURLcode flow(const Connection& connection, const StreamRequest& request, Flowing& flowing) {
    curl_easy_reset(handle_);
    problem_[0] = '\0';
    HeaderList headers;
    headers.add("Accept: text/event-stream");
    if (!request.last_id.empty()) headers.add("Last-Event-ID: " + request.last_id);
    if (connection.token) headers.add("Authorization: Bearer " + connection.token->value);
    const std::string url =
        base_of(connection) + with_query({"GET", request.path, request.query, {}});
    const std::string agent = fmt::format("webhookctl/{}", kVersion);
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_USERAGENT, agent.c_str());
    set(CURLOPT_HTTPHEADER, headers.list);
    set_limits(std::chrono::milliseconds(0));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connection.timeout.count()));
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set_target(connection);
    flowing.handle = handle_;
    set(CURLOPT_WRITEFUNCTION, on_flow);
    set(CURLOPT_WRITEDATA, &flowing);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &flowing.other);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, on_time);
    set(CURLOPT_XFERINFODATA, &flowing);
    return curl_easy_perform(handle_);
  }

  int status() const { return static_cast<int>(number(CURLINFO_RESPONSE_CODE)); }
  int os_error() const { return static_cast<int>(number(CURLINFO_OS_ERRNO)); }
  // Whether any of an answer came.
  bool begun() const { return number(CURLINFO_HEADER_SIZE) > 0; }
  const char* problem(CURLcode code) const {
    return problem_[0] != '\0' ? problem_ : curl_easy_strerror(code);
  }

 private:
  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(handle_, option, value);
  }

  long number(CURLINFO what) const {
    long value = 0;
    curl_easy_getinfo(handle_, what, &value);
    return value;
  }

  void set_method(const Request& request) {
    if (request.body) {
      set(CURLOPT_POSTFIELDS, request.body->c_str());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
    } else if (request.method == "POST") {
      set(CURLOPT_POSTFIELDS, "");
      set(CURLOPT_POSTFIELDSIZE, 0L);
    }
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  void set_limits(std::chrono::milliseconds timeout) {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    set(CURLOPT_ERRORBUFFER, problem_);
  }

  void set_target(const Connection& connection) {
    std::visit(Overloaded{[this](const SocketTarget& socket) {
                            set(CURLOPT_UNIX_SOCKET_PATH, socket.path.c_str());
                          },
                          [this](const ServerTarget& server) {
                            if (server.ca_file) set(CURLOPT_CAINFO, server.ca_file->c_str());
                          }},
               connection.target);
  }

  CURL* handle_;
  char problem_[CURL_ERROR_SIZE] = {};
};

Client::Client(Connection connection, Trace trace)
    : connection_(std::move(connection)), trace_(std::move(trace)) {}

Client::~Client() = default;

void Client::allow_at_least(std::chrono::milliseconds timeout) {
  connection_.timeout = std::max(connection_.timeout, timeout);
}

void Client::trace_request(const Request& request) const {
  if (!trace_.debug) return;
  trace_.debug(fmt::format("> {} {}{}", request.method, base_of(connection_), with_query(request)));
  if (connection_.token) trace_.debug("> Authorization: Bearer ***");
  if (request.body) trace_.debug("> " + masked_json(*request.body));
}

void Client::trace_answer(const Request& request, const Answer& answer) const {
  if (trace_.verbose) {
    trace_.verbose(fmt::format("{} {}: {}{}", request.method, request.path, answer.status,
                               answer.request_id.empty() ? "" : ", request " + answer.request_id));
  }
  if (!trace_.debug) return;
  trace_.debug(fmt::format("< {} X-Request-ID: {}", answer.status, answer.request_id));
  if (!answer.body.empty()) trace_.debug("< " + masked_json(answer.body));
}

CliError Client::failure_of(const Request& request, int code_number) const {
  const auto code = static_cast<CURLcode>(code_number);
  if (code == CURLE_OPERATION_TIMEDOUT) {
    const bool waited = request.within && *request.within < connection_.timeout;
    return CliError(Exit::timed_out, "the server did not answer in time",
                    waited ? "a longer --wait waits longer" : "--timeout 60s waits longer");
  }
  if (code == CURLE_WRITE_ERROR) {
    return CliError(Exit::internal, "the server's answer is too large", "ask for less: --limit N");
  }
  if (is_unusable(code, transfer_->begun())) {
    return CliError(Exit::internal,
                    fmt::format("the server's answer cannot be used: {}", transfer_->problem(code)),
                    kIsItWebhookd);
  }
  const auto* socket = std::get_if<SocketTarget>(&connection_.target);
  if (socket != nullptr) return socket_failure(socket->path, transfer_->os_error());
  return server_failure(base_of(connection_), code, transfer_->problem(code));
}

void Client::check_socket_path() const {
  const auto* socket = std::get_if<SocketTarget>(&connection_.target);
  if (socket != nullptr && socket->path.string().size() >= sizeof(sockaddr_un::sun_path)) {
    throw usage_error(fmt::format("the socket path {} is too long", socket->path.string()),
                      "a Unix socket's path has at most 107 bytes");
  }
}

Answer Client::send(const Request& request) {
  check_socket_path();
  if (!transfer_) transfer_ = std::make_unique<Transfer>();
  trace_request(request);
  Incoming incoming;
  const CURLcode code = transfer_->run(connection_, request, incoming);
  if (code != CURLE_OK) {
    CliError failure = failure_of(request, code);
    if (trace_.verbose) {
      trace_.verbose(fmt::format("{} {}: {}", request.method, request.path, failure.message));
    }
    throw failure;
  }
  Answer answer{transfer_->status(), std::move(incoming.body), header_of(incoming, "x-request-id"),
                header_of(incoming, "webhookd-version")};
  trace_answer(request, answer);
  return answer;
}

Answer Client::stream(const StreamRequest& wanted,
                      const std::function<Stream(std::string_view)>& on_bytes) {
  check_socket_path();
  if (!transfer_) transfer_ = std::make_unique<Transfer>();
  const Request request{"GET", wanted.path, wanted.query, {}};
  trace_request(request);
  Flowing flowing;
  flowing.on_bytes = &on_bytes;
  flowing.longest_silence = wanted.longest_silence;
  const CURLcode code = transfer_->flow(connection_, wanted, flowing);
  // However a stream ends, it has been one.
  const bool answered = code == CURLE_OK || (transfer_->begun() && flowing.is_stream());
  if (!answered && flowing.silent) {
    throw CliError(Exit::timed_out, "the server did not answer in time");
  }
  if (!answered) throw failure_of(request, code);
  Answer answer{transfer_->status(), std::move(flowing.other.body),
                header_of(flowing.other, "x-request-id"),
                header_of(flowing.other, "webhookd-version")};
  trace_answer(request, answer);
  return answer;
}

Answer Client::call(const Request& request) {
  Answer answer = send(request);
  if (answer.status < 200 || answer.status >= 300) {
    throw api_failure(answer.status, answer.body, answer.request_id, request.path);
  }
  return answer;
}

std::string webhook_path(std::string_view id, std::string_view rest) {
  return fmt::format("{}{}{}", kWebhooksPath, percent_encode(id), rest);
}

}  // namespace webhookd
