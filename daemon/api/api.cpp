#include "api/api.h"

#include <algorithm>

#include "api/authenticator.h"
#include "api/handler.h"
#include "api/key_set.h"
#include "api/listen_address.h"
#include "api/server.h"
#include "api/socket_binding.h"

namespace webhookd {
namespace {

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

TcpAddress tcp_address_of(const ApiOptions& options) {
  return parse_listen(*options.listen,
                      options.allow_plaintext ? Plaintext::anywhere : Plaintext::on_loopback);
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
    if (options.listen) open(tcp_address_of(options), options, options.tcp_threads);
    // Nobody is served by a daemon that then ends because its other door is taken.
    for (const auto& door : doors_) door->start();
  }

  std::vector<std::string> addresses() const override {
    std::vector<std::string> addresses;
    for (const auto& door : doors_) addresses.push_back(door->address());
    return addresses;
  }

  void stop() override {
    handler_.begin_stop();
    // All at once: a long request behind one door must not keep the other open.
    for (const auto& door : doors_) door->begin_stop();
    for (const auto& door : doors_) door->stop();
  }

 private:
  void open(const std::variant<TcpAddress, SocketPath>& where, const ApiOptions& options,
            int threads) {
    doors_.push_back(bind_server(
        where, limits_of(options), threads,
        [this](const HttpRequest& request) { return handler_.handle(request); }, refusal_response,
        [this](const HttpRequest& request, const Respond& respond) {
          return handler_.answer_quickly(request, respond);
        }));
  }

  Handler handler_;
  std::vector<std::unique_ptr<Server>> doors_;  // after the handler: they end first
};

}  // namespace

void check_options(const ApiOptions& options) {
  if (options.socket) check_socket_path(*options.socket);
  if (options.listen) tcp_address_of(options);
  find_group(options.admin_group);
  if (options.jwks_file) KeySet(*options.jwks_file, Monotonic{});
}

std::unique_ptr<Api> start_api(const ApiOptions& options, Store& store, Dispatcher& dispatcher,
                               const Clock& clock, Random& random) {
  return std::make_unique<RunningApi>(options, store, dispatcher, clock, random);
}

}  // namespace webhookd
