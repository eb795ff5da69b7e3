#pragma once

// Delivery's one public header: what the API and the composition root may ask of it.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "shared/model.h"
#include "shared/random.h"
#include "shared/time.h"
#include "shared/url.h"
#include "store/store.h"

namespace webhookd {

// The default schedule (contract section 5.4): 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
std::vector<std::chrono::seconds> default_retry_schedule();

struct LoopStatus {
  int loop = 0;
  bool alive = false;  // turned within the last 5 s
  int endpoints = 0;
  int in_flight = 0;
  int unrecorded = 0;  // results on their way to the store
  int open_circuits = 0;
};

enum class TestFault { too_many, not_found };

// Thread-safe. Owns the shard loops and their threads.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  // "These webhooks have work." Never blocks; carries nothing else.
  virtual void notify(std::span<const WebhookId> webhooks) = 0;

  // Takes over what the store now says about a webhook. When it returns, nothing is started any
  // more by the old settings: not for a webhook that was paused, disabled or deleted, and nothing
  // that was claimed before another tenant or partner got it. Attempts already under way end by
  // themselves, except those of a deleted webhook, which are aborted.
  // Throws StoreError when the store cannot be read; then a later catch_up() does it.
  virtual void refresh(const WebhookId& webhook) = 0;

  // Does what earlier calls of refresh() could not. Call every second or so.
  virtual void catch_up() = 0;

  // Absent for an unknown webhook.
  virtual std::optional<EndpointState> state(const WebhookId& webhook) const = 0;

  // One attempt now, recorded when it returns; at most 8 at a time. Blocks for up to the
  // webhook's timeout. Throws StoreError.
  virtual std::variant<AttemptResult, TestFault> send_test(const WebhookId& webhook,
                                                           const NewEvent& event,
                                                           const ChangeContext& context) = 0;

  // Why the address guard refuses a URL whose host is a literal address, as a phrase; absent for
  // names (they are judged when they are resolved) and for allowed addresses.
  virtual std::optional<std::string> refused_literal(const Url& url) const = 0;

  // One sentence that tells a person what to do next, from the attempts; absent when all is well.
  virtual std::optional<std::string> diagnose(const Delivery& delivery,
                                              std::span<const Attempt> attempts,
                                              std::chrono::seconds timeout) const = 0;

  virtual std::vector<LoopStatus> loops() const = 0;

  // No new attempts; waits up to `timeout` for those under way and for their results to be
  // recorded, but not once the store is broken; then stops every thread. What is left is as after
  // a crash. Call once.
  virtual void drain(std::chrono::milliseconds timeout) = 0;
};

struct DispatcherOptions {
  int loops = 0;  // 0: one per core
  int max_in_flight_per_loop = 8192;
  int open_files = 65'536;  // the most descriptors that all loops together may hold open
  std::vector<std::chrono::seconds> default_schedule = default_retry_schedule();
  std::vector<std::string> allow_networks;  // CIDRs; throws std::invalid_argument at the start
  std::string user_agent = "ScaiKey-Webhook/1.0";
  std::string header_prefix = "X-ScaiKey";
  std::string ca_file;  // empty: the system's
};

// Throws std::invalid_argument, a sentence that names it, for a text that is no CIDR.
void check_networks(std::span<const std::string> texts);

// Starts the loops over everything in the store. `store`, `clock` and `random` must outlive it.
// `on_broken_store` is called once, from one of its threads, when the store reports Kind::broken.
std::unique_ptr<Dispatcher> start_dispatcher(
    const DispatcherOptions& options, Store& store, const Clock& clock, Random& random,
    std::function<void(const std::string&)> on_broken_store);

}  // namespace webhookd
