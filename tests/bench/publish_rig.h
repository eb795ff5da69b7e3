#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/api_client.h"
#include "bench/arrivals.h"
#include "bench/daemon_process.h"
#include "bench/load_generator.h"
#include "bench/receiver.h"
#include "bench/scenario.h"

namespace webhookd::bench {

inline constexpr std::size_t kEventBytes = 512;

// Exactly kEventBytes of text in the shape of a publish request's body.
std::string event_body(std::size_t index);

// Writes POST /api/v1/events with an event of kEventBytes, the id being event_id_of(index).
class PublishRequest {
 public:
  explicit PublishRequest(const std::string& token);
  void operator()(std::size_t index, std::string& out) const;

 private:
  std::string text_;
  std::size_t id_at_ = 0;
};

// A receiver, a fresh daemon, and in it one webhook that sends everything to the receiver.
class PublishRig {
 public:
  // For at most `events` events. Throws Failed.
  PublishRig(const Context& context, std::size_t events);

  // Single POSTs over TCP, without a schedule.
  LoadPlan publishing() const;

  // Both count what they wait for and throw Failed when it is not there by the deadline.
  void wait_until_received(std::size_t count, Monotonic deadline) const;
  void wait_until_recorded(std::size_t count, Monotonic deadline);

  const Arrivals& arrivals() const { return arrivals_; }

  // The daemon drained and gone, and nothing arrived that should not have. Throws Failed.
  void finish();

 private:
  std::int64_t deliveries(const std::string& query);

  const std::size_t events_;
  Arrivals arrivals_;
  Receiver receiver_;
  DaemonProcess daemon_;
  ApiClient admin_;
  std::string token_;
  std::string webhook_id_;
};

}  // namespace webhookd::bench
