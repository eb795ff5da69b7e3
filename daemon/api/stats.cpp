#include <chrono>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/query.h"
#include "api/resources.h"

namespace webhookd {
namespace {

std::chrono::hours window_length(std::string_view name) {
  if (name == "1h") return std::chrono::hours{1};
  if (name == "7d") return std::chrono::hours{7 * 24};
  if (name == "30d") return std::chrono::hours{30 * 24};
  return std::chrono::hours{24};
}

HttpResponse webhook_stats(Call& call) {
  Faults faults;
  const std::string window =
      Query(call.request, faults).literal("window", {"1h", "24h", "7d", "30d"}).value_or("24h");
  faults.check();
  const Webhook webhook = visible_webhook(call);
  const auto stats = call.services.store.stats(webhook.id, window_length(window), call.now());
  if (!stats) throw webhook_not_found();
  Json json = stats_json(*stats, webhook.id, window);
  // Beside the numbers of what waits: why.
  const Json shown = webhook_json(call, webhook);
  for (const char* name : {"backlog", "head_delivery_id", "circuit", "held_until", "hold_reason"}) {
    json[name] = shown.at(name);
  }
  return json_response(200, json);
}

}  // namespace

std::vector<Route> stats_routes() {
  return {{"GET", "/api/v1/admin/webhooks/{webhook_id}/stats", Access::read, webhook_stats}};
}

}  // namespace webhookd
