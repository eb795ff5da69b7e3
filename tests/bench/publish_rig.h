#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/api_client.h"
#include "bench/arrivals.h"
#include "bench/daemon_process.h"
#include "bench/load_generator.h"
#include "bench/publish_request.h"
#include "bench/receiver.h"
#include "bench/scenario.h"

namespace webhookd::bench {

struct RigPlan {
  std::size_t events = 0;  // at most
  // Each gets a webhook and, where there are several, a tenant of its own.
  std::size_t endpoints = 1;
  Json webhook = Json::object();     // settings of each webhook beside name, URL, events and tenant
  std::size_t black_holes = 0;       // so many endpoints, the first ones, never answer
  std::vector<std::string> flags{};  // of the daemon
};

// A receiver, a fresh daemon, and in it a webhook for each endpoint.
class PublishRig {
 public:
  // Throws Failed.
  PublishRig(const Context& context, const RigPlan& plan);

  // Events `first` and following over 32 connections to TCP, without a schedule: by single POSTs,
  // or in batches.
  LoadPlan publishing(std::size_t events, std::size_t first = 0) const;
  LoadPlan publishing_batches(std::size_t events, std::size_t batch, std::size_t first = 0) const;

  // Both count what they wait for and throw Failed when it is not there by the deadline. The
  // second returns when everything was seen to be recorded.
  void wait_until_received(std::size_t count, Monotonic deadline) const;
  Monotonic wait_until_recorded(std::size_t count, Monotonic deadline);

  // What was answered; requests of black holes are not among them.
  const Arrivals& arrivals() const { return arrivals_; }
  std::uint64_t requests() const { return receiver_.requests(); }
  DaemonProcess& daemon() { return *daemon_; }
  ApiClient& admin() { return *admin_; }
  const std::string& token() const { return token_; }
  // The id of the first webhook.
  std::string webhook_id();

  // Starts a daemon again on what the last one, which must have ended, has left.
  void start_again();

  // The daemon drained and gone, and nothing arrived that should not have. Throws Failed.
  void finish();

 private:
  int answer(const HttpMessage& request);
  void start_daemon();
  void create_webhooks(const RigPlan& plan);
  std::int64_t deliveries(const std::string& query);

  const std::filesystem::path program_;
  const std::size_t endpoints_;
  const std::size_t black_holes_;
  const std::vector<std::string> flags_;
  Arrivals arrivals_;
  Receiver receiver_;
  TemporaryDir home_;
  std::optional<DaemonProcess> daemon_;
  std::optional<ApiClient> admin_;
  std::string token_;
};

}  // namespace webhookd::bench
