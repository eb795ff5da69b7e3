#include "bench/publish_rig.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kAskEvery{5};
constexpr std::string_view kHook = "/hook/";

// "POST /hook/<number> HTTP/1.1"
std::size_t endpoint_in(const HttpMessage& request) {
  const std::size_t at = request.start_line.find(kHook);
  std::size_t endpoint = 0;
  if (at == std::string_view::npos) return endpoint;
  const std::string_view digits = request.start_line.substr(at + kHook.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), endpoint);
  return endpoint;
}

}  // namespace

PublishRig::PublishRig(const Context& context, const RigPlan& plan)
    : program_(context.webhookd),
      endpoints_(plan.endpoints),
      black_holes_(plan.black_holes),
      flags_(plan.flags),
      arrivals_(plan.events),
      receiver_([this](const HttpMessage& request) { return answer(request); }),
      home_(context.dir) {
  start_daemon();
  create_webhooks(plan);
}

void PublishRig::start_daemon() {
  daemon_.emplace(program_, home_.path(), flags_);
  admin_.emplace(Address{daemon_->socket()});
  token_ = minted_token(*admin_);
}

void PublishRig::start_again() {
  admin_.reset();
  daemon_.reset();
  start_daemon();
}

// What is never answered is sent again, so it is no arrival.
int PublishRig::answer(const HttpMessage& request) {
  if (black_holes_ > 0 && endpoint_in(request) < black_holes_) return kNoAnswer;
  arrivals_.record(request);
  return 200;
}

void PublishRig::create_webhooks(const RigPlan& plan) {
  LoadPlan load;
  load.target = daemon_->port();
  load.connections = static_cast<int>(std::min<std::size_t>(plan.endpoints, 32));
  load.requests = plan.endpoints;
  load.expected_status = 201;
  load.write_request = [&](std::size_t index, std::string& out) {
    Json body = plan.webhook;
    body["name"] = fmt::format("bench {}", index);
    body["url"] = receiver_.url(fmt::format("{}{}", kHook, index));
    body["events"] = {"user.created"};
    if (plan.endpoints > 1) body["tenant_id"] = tenant_of(index);
    const std::string text = body.dump();
    out += fmt::format(
        "POST /api/v1/admin/webhooks/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        token_, text.size(), text);
  };
  run_load(load);
}

std::string PublishRig::webhook_id() {
  const Json page = admin_->get("/api/v1/admin/webhooks/?per_page=1");
  return page.at("items").at(0).at("id").get<std::string>();
}

LoadPlan PublishRig::publishing(std::size_t events, std::size_t first) const {
  LoadPlan plan;
  plan.target = daemon_->port();
  plan.requests = events;
  plan.write_request = PublishRequest{token_, {PublishRequest::Form::single, 1, endpoints_, first}};
  return plan;
}

LoadPlan PublishRig::publishing_batches(std::size_t events, std::size_t batch,
                                        std::size_t first) const {
  LoadPlan plan;
  plan.target = daemon_->port();
  plan.requests = events / batch;
  plan.write_request =
      PublishRequest{token_, {PublishRequest::Form::batch, batch, endpoints_, first}};
  return plan;
}

void PublishRig::wait_until_received(std::size_t count, Monotonic deadline) const {
  try {
    arrivals_.wait_for(count, deadline);
  } catch (const Failed& fault) {
    receiver_.check();
    throw Failed(fmt::format("{}\n{}", fault.what(), daemon_->log()));
  }
}

std::int64_t PublishRig::deliveries(const std::string& query) {
  return admin_->get("/api/v1/admin/deliveries?per_page=1" + query).at("total").get<std::int64_t>();
}

// The backlog is a sum of a few counters: looking at it costs the daemon little.
Monotonic PublishRig::wait_until_recorded(std::size_t count, Monotonic deadline) {
  Monotonic seen;
  for (;;) {
    const Json status = admin_->get("/api/v1/admin/status");
    const auto backlog = status.at("backlog").get<std::int64_t>();
    seen = steady_clock::now();
    if (backlog == 0) break;
    if (seen > deadline) {
      throw Failed(fmt::format("{} of {} deliveries are not recorded", backlog, count));
    }
    std::this_thread::sleep_for(kAskEvery);
  }
  const std::int64_t succeeded = deliveries("&status=succeeded");
  if (succeeded == static_cast<std::int64_t>(count)) return seen;
  throw Failed(fmt::format("{} of {} deliveries are recorded as succeeded", succeeded, count));
}

void PublishRig::finish() {
  const std::size_t received = arrivals_.distinct();
  const std::int64_t all = deliveries("");
  if (all != static_cast<std::int64_t>(received)) {
    throw Failed(fmt::format("{} events made {} deliveries", received, all));
  }
  daemon_->stop();
  receiver_.check();
  arrivals_.wait_for(received, steady_clock::now());
}

}  // namespace webhookd::bench
