#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/resources.h"
#include "shared/version.h"

namespace webhookd {
namespace {

HttpResponse alive(Call& /*call*/) { return json_response(200, {{"status", "ok"}}); }

[[noreturn]] void not_ready(const std::string& why) {
  throw ApiError(503, why, {{"Retry-After", "5"}});
}

// Throws ApiError 503.
void check_ready(Call& call) {
  const std::vector<LoopStatus> loops = call.services.dispatcher.loops();
  const bool all_alive =
      std::all_of(loops.begin(), loops.end(), [](const LoopStatus& loop) { return loop.alive; });
  if (loops.empty() || !all_alive) not_ready("A delivery loop does not turn");
  try {
    call.services.store.check_writable(call.now());
  } catch (const StoreError&) {
    not_ready("The store cannot take writes");
  }
  if (!call.services.store.has_room()) {
    not_ready("Publishing is refused: less disk space is free than min_free_space keeps back");
  }
}

HttpResponse ready(Call& call) {
  if (call.services.readiness.is_stopping()) not_ready("The daemon is stopping");
  call.services.readiness.check([&] { check_ready(call); }, call.services.clock.monotonic());
  return json_response(200, {{"status", "ready"}});
}

HttpResponse version(Call& /*call*/) {
  return json_response(200, {{"version", kVersion}, {"api_version", "v1"}});
}

}  // namespace

std::vector<Route> health_routes() {
  return {
      {"GET", "/healthz", Access::open, alive},
      {"GET", "/readyz", Access::open, ready},
      {"GET", "/api/v1/version", Access::authenticated, version},
  };
}

}  // namespace webhookd
