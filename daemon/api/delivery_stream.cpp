// GET /api/v1/admin/deliveries/stream: finished attempts as they happen.

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "api/answerer.h"
#include "api/attempt_streams.h"
#include "api/call.h"
#include "api/query.h"
#include "api/resources.h"
#include "shared/version.h"

namespace webhookd {
namespace {

constexpr const char* kEventStream = "text/event-stream";
constexpr const char* kCacheControl = "no-store";
constexpr std::int64_t kGreatestId = std::numeric_limits<std::int64_t>::max();

struct StreamRequest {
  StreamFilter filter;
  std::optional<std::int64_t> after;
};

// What a client that comes back has seen last; it counts more than what its URL still says.
std::optional<std::int64_t> last_event_id(const HttpRequest& request, Faults& faults) {
  const auto text = request.header("last-event-id");
  if (!text || text->empty()) return std::nullopt;
  const auto id = parse_integer(*text);
  const Loc loc{std::string("header"), std::string("last-event-id")};
  if (!id) faults.add(fault::int_parsing(loc, json_quoted(*text)));
  if (id && *id < 0) faults.add(fault::greater_than_equal(loc, json_quoted(*text), "0"));
  return id;
}

StreamRequest parse_request(Call& call) {
  Faults faults;
  Query query(call.request, faults);
  StreamRequest stream;
  stream.filter.principal = call.principal;
  if (const auto id = query.text("webhook_id")) stream.filter.webhook_id = WebhookId{*id};
  if (const auto status =
          query.literal("status", {"pending", "in_flight", "succeeded", "failed", "cancelled"})) {
    stream.filter.status = parse_delivery_status(*status);
  }
  stream.after = query.integer("since_id", {0, kGreatestId});
  stream.filter.since = query.time("since");
  if (const auto seen = last_event_id(call.request, faults)) stream.after = seen;
  faults.check();
  return stream;
}

void require_visible(Call& call, const WebhookId& id) {
  const auto webhook =
      is_webhook_id(id.value) ? call.services.store.find_webhook(id) : std::optional<Webhook>();
  if (!webhook || !call.principal.may_see(webhook->settings.binding)) throw webhook_not_found();
}

// No id lies above the newest: one of another store's would wait for years.
AttemptId beginning(Call& call, const StreamRequest& stream) {
  Store& store = call.services.store;
  if (stream.filter.since && !stream.after) return store.attempt_before(*stream.filter.since);
  const AttemptId newest = store.newest_attempt();
  return {std::min(stream.after.value_or(newest.value), newest.value)};
}

std::string head_of(const Call& call) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nCache-Control: {}\r\nConnection: close\r\n"
      "Date: {}\r\nX-Request-ID: {}\r\nwebhookd-version: {}\r\n\r\n",
      kEventStream, kCacheControl,
      format_http_date(std::chrono::floor<std::chrono::seconds>(call.now())),
      call.request.request_id, kVersion);
}

HttpResponse stream_attempts(Call& call) {
  const StreamRequest wanted = parse_request(call);
  if (wanted.filter.webhook_id) require_visible(call, *wanted.filter.webhook_id);
  HttpResponse response;
  if (call.request.method == "HEAD") {
    response.content_type = kEventStream;
    response.length = HttpResponse::Length::unknown;
    response.headers.emplace_back("Cache-Control", kCacheControl);
    return response;
  }
  AttemptStreams& streams = call.services.streams;
  AttemptStreams::Opening opening;
  opening.place =
      streams.reserve(call.request.peer ? AttemptStreams::Door::socket : AttemptStreams::Door::tcp);
  if (!opening.place) {
    throw ApiError(429, "There are too many streams; end one of them", {{"Retry-After", "5"}});
  }
  opening.after = beginning(call, wanted);
  opening.filter = wanted.filter;
  opening.head = head_of(call);
  response.hand_over = [&streams, opening](FileDescriptor socket) {
    streams.add(std::move(socket), opening);
  };
  return response;
}

}  // namespace

std::vector<Route> delivery_stream_routes() {
  return {{"GET", "/api/v1/admin/deliveries/stream", Access::read, stream_attempts}};
}

}  // namespace webhookd
