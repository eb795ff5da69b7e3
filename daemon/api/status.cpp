#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/resources.h"
#include "shared/version.h"

namespace webhookd {
namespace {

Json loops_json(const std::vector<LoopStatus>& loops) {
  Json list = Json::array();
  for (const LoopStatus& loop : loops) {
    list.push_back({{"loop", loop.loop},
                    {"alive", loop.alive},
                    {"endpoints", loop.endpoints},
                    {"in_flight", loop.in_flight},
                    {"unrecorded", loop.unrecorded},
                    {"open_circuits", loop.open_circuits}});
  }
  return list;
}

HttpResponse daemon_status(Call& call) {
  const StoreStatus store = call.services.store.status();
  const Timestamp now = call.now();
  const auto uptime = std::chrono::floor<std::chrono::seconds>(now - call.services.started_at);
  return json_response(
      200, {{"version", kVersion},
            {"time", format_rfc3339(now)},
            {"started_at", format_rfc3339(call.services.started_at)},
            {"uptime_seconds", uptime.count()},
            {"store",
             {{"kind", store.kind},
              {"schema_version", store.schema_version},
              {"size_bytes", store.size_bytes},
              {"free_bytes", store.free_bytes},
              {"min_free_bytes", store.min_free_bytes}}},
            {"publishing", store.has_room ? "open" : "refused"},
            {"webhooks", store.webhooks},
            {"backlog", store.backlog},
            {"oldest_pending_at",
             store.oldest_pending_at ? Json(format_rfc3339(*store.oldest_pending_at)) : Json()},
            {"loops", loops_json(call.services.dispatcher.loops())}});
}

}  // namespace

std::vector<Route> status_routes() {
  return {{"GET", "/api/v1/admin/status", Access::super_read, daemon_status}};
}

}  // namespace webhookd
