#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>

#include "api/collector.h"
#include "api/file_descriptor.h"
#include "api/http.h"
#include "api/socket_binding.h"
#include "shared/time.h"

namespace webhookd {

// Where a connection is. Each step but answering has a time limit, the same for all connections.
enum class Phase { idle, collecting, answering, writing, lingering };
inline constexpr std::size_t kPhases = 5;

// Belongs to the poller; while it is answering, to the pool thread that answers it.
struct Connection {
  Connection(Accepted accepted, const ServerLimits& limits)
      : fd(std::move(accepted.fd)),
        remote(std::move(accepted.remote)),
        peer(std::move(accepted.peer)),
        collector(limits) {}

  FileDescriptor fd;
  std::string remote;
  std::optional<PeerCredentials> peer;
  Collector collector;
  std::optional<Collector::Collected> request;  // that is under way
  std::optional<HttpResponse> response;         // to it, when it is the poller that renders it
  std::string unread;                           // came after the request that is under way
  std::string unsent;                           // the answer, from unsent_start on
  std::size_t unsent_start = 0;
  AfterAnswer after = AfterAnswer::keep_open;
  std::function<void(FileDescriptor)> hand_over;  // set: takes it over in place of an answer

  // The poller's alone.
  Phase phase = Phase::idle;
  Monotonic deadline{};  // of the phase
  std::list<Connection>::iterator self;
  std::size_t counted = 0;    // its share of ServerLimits::collecting_bytes
  std::size_t drained = 0;    // while lingering
  bool was_served = false;    // has had an answer
  std::uint32_t watched = 0;  // the events it is watched for
};

enum class Sent { all, some, broken };

// Sends as much of `unsent` as the socket takes at once.
Sent send_unsent(Connection& connection);

}  // namespace webhookd
