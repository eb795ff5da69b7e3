#pragma once

// The REST API behind its two doors. What main needs to start it.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/dispatcher.h"
#include "shared/random.h"
#include "shared/time.h"
#include "store/store.h"

namespace webhookd {

struct ApiOptions {
  // Doors; at least one is set.
  std::optional<std::filesystem::path> socket;
  std::optional<std::string> listen;  // "ADDR:PORT", port 0: any
  bool allow_plaintext = false;       // off loopback without TLS
  std::string admin_group;            // empty: none; its members are super_admin on the socket
  int socket_threads = 16;  // more than test sends may hold, so that the next one hears 429
  int tcp_threads = 32;
  std::size_t connections = 10'000;  // of each door

  // Tokens on the TCP door.
  std::filesystem::path token_key;  // HS256 key of the daemon's own, made 0600 when absent
  std::optional<std::filesystem::path> jwks_file;
  std::optional<std::string> issuer;
  std::optional<std::string> audience;

  std::size_t max_event_bytes = 1024 * 1024;           // the body of a publication
  std::chrono::milliseconds request_deadline{30'000};  // first byte to last
  std::chrono::milliseconds idle_timeout{60'000};      // between requests of a connection
  std::chrono::seconds default_timeout{15};
  std::string header_prefix = "X-ScaiKey";  // of the headers that a webhook cannot add
};

// Running doors. The destructor stops them as stop() does.
class Api {
 public:
  virtual ~Api() = default;
  // "unix:/run/…/webhookd.sock" and "http://127.0.0.1:8420", with the port that was bound.
  virtual std::vector<std::string> addresses() const = 0;
  // No new connections or requests; requests under way are answered. Idempotent.
  virtual void stop() = 0;
};

// Judges what start_api would refuse without regard to what else runs: addresses, the length of the
// socket's path, group and key set. Makes and binds nothing. Throws std::runtime_error as it does.
void check_options(const ApiOptions& options);

// Binds the doors and serves. Throws std::runtime_error with a sentence that names the address or
// path and the fix: port taken, no permission, not loopback without TLS, unreadable key set. All
// arguments by reference must outlive the result.
std::unique_ptr<Api> start_api(const ApiOptions& options, Store& store, Dispatcher& dispatcher,
                               const Clock& clock, Random& random);

}  // namespace webhookd
