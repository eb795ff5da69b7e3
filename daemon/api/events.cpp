#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/publication.h"
#include "api/query.h"
#include "api/request_body.h"
#include "api/resources.h"

namespace webhookd {
namespace {

ApiError other_content() {
  return {409, "Another event with this event_id and other content was accepted before"};
}

HttpResponse published(const PublishedEvent& event) {
  const bool duplicate = event.outcome == PublishedEvent::Outcome::duplicate;
  return json_response(duplicate ? 200 : 202, {{"event_id", event.event_id},
                                               {"event_type", event.event_type},
                                               {"deliveries", event.deliveries},
                                               {"duplicate", duplicate}});
}

// An event that the catalogue no longer takes was perhaps accepted when it did.
HttpResponse publish_refused(Call& call, const Publication& publication, Timestamp now) {
  const PublishedEvent known =
      judge_repetitions(call.services.store, {publication.event}, now).at(0);
  switch (known.outcome) {
    case PublishedEvent::Outcome::accepted:
      publication.refusal.check();
      break;
    case PublishedEvent::Outcome::duplicate:
      break;
    case PublishedEvent::Outcome::conflict:
      throw other_content();
  }
  return published(known);
}

HttpResponse publish(Call& call) {
  if (call.request.body.size() > call.services.options.max_event_bytes) {
    throw ApiError(413, "The event is too large");
  }
  const Timestamp now = call.now();
  Faults faults;
  const auto publication = read_publication(call, parse_body(call.request, BodyNeed::required),
                                            {std::string("body")}, now, faults);
  faults.check();
  if (!publication->refusal.empty()) return publish_refused(call, *publication, now);
  const PublishResult result = call.services.store.publish({&publication->event, 1}, now);
  if (!result.stored) throw other_content();
  if (!result.woken.empty()) call.services.dispatcher.notify(result.woken);
  return published(result.events.at(0));
}

// Those of the event's deliveries whose webhooks the principal may see.
std::vector<Delivery> visible_deliveries(Call& call, const Event& event) {
  std::vector<Delivery> deliveries = call.services.store.deliveries_of(event);
  if (call.principal.reach == Principal::Reach::all) return deliveries;
  std::map<WebhookId, bool> seen;
  std::erase_if(deliveries, [&](const Delivery& delivery) {
    auto known = seen.find(delivery.webhook_id);
    if (known == seen.end()) {
      const auto webhook = call.services.store.find_webhook(delivery.webhook_id);
      const bool visible = webhook && call.principal.may_see(webhook->settings.binding);
      known = seen.emplace(delivery.webhook_id, visible).first;
    }
    return !known->second;
  });
  return deliveries;
}

HttpResponse get_event(Call& call) {
  Faults faults;
  Query query(call.request, faults);
  const auto tenant = query.text("tenant_id");
  const auto partner = query.text("partner_id");
  faults.check();
  const Binding shown = narrow(call.principal, tenant, partner);
  const std::string& id = call.param("event_id");
  if (!is_event_id(id)) throw ApiError(404, "Not Found");
  std::vector<Event> events = call.services.store.find_events(id);
  std::erase_if(events, [&](const Event& event) {
    // An empty one asks for the event that has none.
    return (shown.tenant_id && shown.tenant_id != event.binding.tenant_id.value_or("")) ||
           (shown.partner_id && shown.partner_id != event.binding.partner_id.value_or(""));
  });
  if (events.empty()) throw ApiError(404, "Not Found");
  if (events.size() > 1) {
    throw ApiError(409,
                   "Several events have this id: name the tenant with ?tenant_id=, and the "
                   "partner with ?partner_id= where needed (empty: it has none)");
  }
  return json_response(200, event_json(events[0], visible_deliveries(call, events[0])));
}

}  // namespace

std::vector<Route> event_routes() {
  return {
      {"POST", "/api/v1/events", Access::publish, publish},
      {"GET", "/api/v1/admin/events/{event_id}", Access::read, get_event},
  };
}

}  // namespace webhookd
