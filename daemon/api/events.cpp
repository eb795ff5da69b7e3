#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/envelope.h"
#include "api/query.h"
#include "api/request_body.h"
#include "api/resources.h"
#include "shared/encoding.h"
#include "shared/event_pattern.h"

namespace webhookd {
namespace {

constexpr TextRule kId{1, 255};
constexpr auto kMeant = Catalogue::Candidates::published_types;

// The checked parts of a publish body that have to be looked at again.
struct PublishBody {
  Given<std::string> tenant_id;
  Given<std::string> partner_id;
  std::optional<Timestamp> timestamp;
  // Why the catalogue does not take it, as it is now. Then it has an event_id and no other fault.
  Faults refusal;
};

std::shared_ptr<const EventSchema> read_event_type(Fields& fields, Catalogue& catalogue,
                                                   Faults& refusal) {
  const auto type = fields.text("event_type", Presence::required, {});
  if (!type.value) return nullptr;
  if (type.value->starts_with("webhook.")) {
    fields.refuse("event_type", "events of webhook.* come from the daemon alone");
    return nullptr;
  }
  if (!is_event_type(*type.value)) {
    fields.refuse("event_type",
                  "an event type is dot-separated words of a-z, 0-9 and _, at most 100 characters" +
                      catalogue.did_you_mean(*type.value, kMeant));
    return nullptr;
  }
  const auto entry = catalogue.find(*type.value);
  if (entry) return entry->schema;
  refusal.add(
      fault::value_error(fields.loc_of("event_type"), fields.member("event_type")->text,
                         "unknown event type" + catalogue.did_you_mean(*type.value, kMeant)));
  return nullptr;
}

// {type, id} of a resource or an actor.
void read_reference(Fields& fields, std::string_view name, Faults& faults) {
  const auto members = fields.model(name, Presence::nullable);
  if (!members.value) return;
  Fields reference(*members.value, fields.loc_of(name), faults);
  static_cast<void>(reference.text("type", Presence::required, kId));
  static_cast<void>(reference.text("id", Presence::required, kId));
  reference.refuse_unknown();
}

PublishBody check_publish(const CanonicalObject& object, Catalogue& catalogue) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  PublishBody body;
  const auto schema = read_event_type(fields, catalogue, body.refusal);
  const auto document = fields.object_text("data", Presence::required);
  if (schema && document.value) {
    schema->check(*document.value, fields.loc_of("data"), body.refusal);
  }
  const auto id = fields.text("event_id", Presence::nullable, {1, 64});
  if (id.value && !is_event_id(*id.value)) {
    fields.refuse("event_id", "an event id consists of A-Z, a-z, 0-9, _ and -");
  }
  body.timestamp = fields.time("timestamp", Presence::nullable).value;
  read_reference(fields, "resource", faults);
  read_reference(fields, "actor", faults);
  body.tenant_id = fields.text("tenant_id", Presence::nullable, kId);
  body.partner_id = fields.text("partner_id", Presence::nullable, kId);
  fields.refuse_unknown();
  if (!faults.empty() || !id.value) {
    body.refusal.append(std::move(faults));
    body.refusal.check();
  }
  return body;
}

// What became of an event that was published before, with nothing stored: all that a call brings
// is refused when two of its events have one id and different content.
PublishedEvent judge_repetition(Store& store, const NewEvent& event, Timestamp now) {
  NewEvent rival = event;
  rival.content_hash = sha256(event.content_hash);
  return store.publish(std::array{event, std::move(rival)}, now).events.at(0);
}

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
HttpResponse publish_refused(Call& call, const NewEvent& event, const Faults& refusal) {
  const PublishedEvent known = judge_repetition(call.services.store, event, call.now());
  switch (known.outcome) {
    case PublishedEvent::Outcome::accepted:
      refusal.check();
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
  CanonicalObject object = parse_body(call.request, BodyNeed::required);
  const PublishBody body = check_publish(object, call.services.catalogue);
  const Binding binding = bind(call.principal, body.tenant_id, body.partner_id);
  const Timestamp now = call.now();
  const NewEvent event = make_event(std::move(object), binding,
                                    new_event_id(now, call.services.random), body.timestamp, now);
  if (!body.refusal.empty()) return publish_refused(call, event, body.refusal);
  const PublishResult result = call.services.store.publish({&event, 1}, now);
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
