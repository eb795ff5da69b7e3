#include <fmt/format.h>

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

// Ids and types consist of characters that JSON takes as they are.
HttpResponse published(const PublishedEvent& event) {
  const bool duplicate = event.outcome == PublishedEvent::Outcome::duplicate;
  HttpResponse response;
  response.status = duplicate ? 200 : 202;
  response.body =
      fmt::format(R"({{"event_id":"{}","event_type":"{}","deliveries":{},"duplicate":{}}})",
                  event.event_id, event.event_type, event.deliveries, duplicate);
  return response;
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

HttpResponse answer_of(const PublishResult& result, Dispatcher& dispatcher) {
  if (!result.stored) return error_response(other_content());
  if (!result.woken.empty()) dispatcher.notify(result.woken);
  return published(result.events.at(0));
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
  return answer_of(call.services.store.publish({&publication->event, 1}, now),
                   call.services.dispatcher);
}

// Without a wait: an event of a type that is in memory and has no schema, which might take long.
bool publish_quickly(Call& call, const Respond& respond) {
  Services& services = call.services;
  if (call.request.body.size() > services.options.max_event_bytes) return false;
  CanonicalObject object = parse_body(call.request, BodyNeed::required);
  const auto type = object.find("event_type");
  if (type == object.end()) return false;
  const auto entry = services.catalogue.recall(type->second.string);
  if (!entry || entry->schema) return false;
  const Timestamp now = call.now();
  Faults faults;
  auto publication = read_publication(call, std::move(object), {std::string("body")}, now, faults);
  if (!publication || !publication->refusal.empty()) return false;
  services.store.publish_later(
      std::move(publication->event), now,
      // The request lives until it is answered.
      [&request = call.request, &dispatcher = services.dispatcher, respond](
          const PublishResult& result, const std::exception_ptr& failure) {
        respond(failure ? failure_response(request, failure) : answer_of(result, dispatcher));
      });
  return true;
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
      {"POST", "/api/v1/events", Access::publish, publish, publish_quickly},
      {"GET", "/api/v1/admin/events/{event_id}", Access::read, get_event},
  };
}

}  // namespace webhookd
