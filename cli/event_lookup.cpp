#include "cli/event_lookup.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "shared/url.h"

namespace webhookd {

Answer find_event(Client& client, const EventName& name, std::chrono::milliseconds within) {
  Request request{"GET", "/api/v1/admin/events/" + percent_encode(name.event_id), {}, {}, within};
  std::vector<const char*> unnamed;
  for (const auto& [key, id] :
       {std::pair{"tenant_id", &name.tenant_id}, std::pair{"partner_id", &name.partner_id}}) {
    if (id->empty()) {
      unnamed.push_back(key);
    } else {
      request.query.emplace_back(key, *id);
    }
  }
  Answer answer = client.send(request);
  for (const char* const key : unnamed) {
    if (answer.status != 409) break;
    request.query.emplace_back(key, "");
    answer = client.send(request);
  }
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw api_failure(answer.status, answer.body, answer.request_id, request.path);
}

std::vector<Json> deliveries_in(const Json& event) {
  const auto found = event.find("deliveries");
  if (found == event.end() || !found->is_array()) return {};
  return found->get<std::vector<Json>>();
}

}  // namespace webhookd
