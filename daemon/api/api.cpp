#include "api/api.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "api/handler.h"
#include "api/query.h"
#include "api/server.h"

namespace webhookd {
namespace {

TcpAddress parse_listen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_integer(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535 || colon == 0) {
    throw std::runtime_error(
        fmt::format("\"{}\" is no address to listen on: write ADDRESS:PORT, like 127.0.0.1:8420 or "
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
      fmt::format("cannot listen on \"{}\": write a numeric address", address.host));
}

ServerLimits limits_of(const ApiOptions& options) {
  ServerLimits limits;
  limits.connections = options.connections;
  // Other bodies than events keep their room when events are to be small.
  limits.body_bytes = std::max(options.max_event_bytes, limits.body_bytes);
  // A buffer that grows is there twice for a moment.
  limits.collecting_bytes = std::max(limits.collecting_bytes, 4 * limits.body_bytes);
  limits.request_deadline = options.request_deadline;
  limits.idle_timeout = options.idle_timeout;
  return limits;
}

class RunningApi final : public Api {
 public:
  RunningApi(const ApiOptions& options, Store& store, Dispatcher& dispatcher, const Clock& clock,
             Random& random)
      : handler_(options, store, dispatcher, clock, random) {
    if (options.socket) {
      const auto group = handler_.admin_group();
      open(SocketPath{*options.socket, group ? 0660 : 0600, group}, options,
           options.socket_threads);
    }
    if (options.listen) {
      const TcpAddress address = parse_listen(*options.listen);
      if (!is_loopback(address) && !options.allow_plaintext) {
        throw std::runtime_error(
            fmt::format("{} is not a loopback address: use --allow-plaintext behind a TLS proxy",
                        *options.listen));
      }
      open(address, options, options.tcp_threads);
    }
  }

  std::vector<std::string> addresses() const override {
    std::vector<std::string> addresses;
    for (const auto& door : doors_) addresses.push_back(door->address());
    return addresses;
  }

  void stop() override {
    for (const auto& door : doors_) door->stop();
  }

 private:
  void open(const std::variant<TcpAddress, SocketPath>& where, const ApiOptions& options,
            int threads) {
    doors_.push_back(start_server(
        where, limits_of(options), threads,
        [this](const HttpRequest& request) { return handler_.handle(request); }, refusal_response));
  }

  Handler handler_;
  std::vector<std::unique_ptr<Server>> doors_;  // after the handler: they end first
};

}  // namespace

std::unique_ptr<Api> start_api(const ApiOptions& options, Store& store, Dispatcher& dispatcher,
                               const Clock& clock, Random& random) {
  return std::make_unique<RunningApi>(options, store, dispatcher, clock, random);
}

}  // namespace webhookd
