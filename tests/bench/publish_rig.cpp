#include "bench/publish_rig.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kMostInFlight = 256;
constexpr milliseconds kLookEvery{5};

std::string minted_token(ApiClient& admin) {
  const Json answer =
      admin.post("/api/v1/admin/tokens", {{"role", "super_admin"}, {"ttl_seconds", 3600}});
  return answer.at("token").get<std::string>();
}

std::string created_webhook(ApiClient& admin, const std::string& url) {
  const Json answer = admin.post("/api/v1/admin/webhooks/", {{"name", "bench"},
                                                             {"url", url},
                                                             {"events", {"user.created"}},
                                                             {"max_in_flight", kMostInFlight}});
  return answer.at("id").get<std::string>();
}

}  // namespace

std::string event_body(std::size_t index) {
  std::string body = fmt::format(
      R"({{"event_id":"{}","event_type":"user.created","data":{{"text":")", event_id_of(index));
  constexpr std::string_view kEnd = "\"}}";
  body.append(kEventBytes - kEnd.size() - body.size(), 'x');
  return body.append(kEnd);
}

PublishRequest::PublishRequest(const std::string& token)
    : text_(fmt::format("POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
                        "Authorization: Bearer {}\r\nContent-Type: application/json\r\n"
                        "Content-Length: {}\r\n\r\n{}",
                        token, kEventBytes, event_body(0))),
      id_at_(text_.rfind(event_id_of(0))) {}

void PublishRequest::operator()(std::size_t index, std::string& out) const {
  const std::size_t begin = out.size();
  out += text_;
  const std::string id = event_id_of(index);
  out.replace(begin + id_at_, id.size(), id);
}

PublishRig::PublishRig(const Context& context, std::size_t events)
    : events_(events),
      arrivals_(events),
      receiver_([this](const HttpMessage& request) {
        arrivals_.record(request);
        return 200;
      }),
      daemon_(context.webhookd, context.dir),
      admin_(Address{daemon_.socket()}),
      token_(minted_token(admin_)),
      webhook_id_(created_webhook(admin_, receiver_.url("/hook"))) {}

LoadPlan PublishRig::publishing() const {
  LoadPlan plan;
  plan.target = daemon_.port();
  plan.requests = events_;
  plan.write_request = PublishRequest{token_};
  return plan;
}

void PublishRig::wait_until_received(std::size_t count, Monotonic deadline) const {
  try {
    arrivals_.wait_for(count, deadline);
  } catch (const Failed& fault) {
    receiver_.check();
    throw Failed(fmt::format("{}\n{}", fault.what(), daemon_.log()));
  }
}

std::int64_t PublishRig::deliveries(const std::string& query) {
  return admin_
      .get(fmt::format("/api/v1/admin/webhooks/{}/deliveries?per_page=1{}", webhook_id_, query))
      .at("total")
      .get<std::int64_t>();
}

void PublishRig::wait_until_recorded(std::size_t count, Monotonic deadline) {
  for (;;) {
    const std::int64_t recorded = deliveries("&status=succeeded");
    if (recorded == static_cast<std::int64_t>(count)) return;
    if (steady_clock::now() > deadline) {
      throw Failed(fmt::format("{} of {} deliveries are recorded as succeeded", recorded, count));
    }
    std::this_thread::sleep_for(kLookEvery);
  }
}

void PublishRig::finish() {
  const std::size_t received = arrivals_.distinct();
  const std::int64_t all = deliveries("");
  if (all != static_cast<std::int64_t>(received)) {
    throw Failed(fmt::format("{} events made {} deliveries", received, all));
  }
  daemon_.stop();
  receiver_.check();
  arrivals_.wait_for(received, steady_clock::now());
}

}  // namespace webhookd::bench
