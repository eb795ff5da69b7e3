#include "api/publication.h"

#include <utility>

#include "api/envelope.h"
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
  bool has_event_id = false;
  Faults refusal;  // as in Publication
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

PublishBody check_publish(const CanonicalObject& object, const Loc& loc, Catalogue& catalogue,
                          Faults& faults) {
  Fields fields(object, loc, faults);
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
  body.has_event_id = id.value.has_value();
  body.timestamp = fields.time("timestamp", Presence::nullable).value;
  read_reference(fields, "resource", faults);
  read_reference(fields, "actor", faults);
  body.tenant_id = fields.text("tenant_id", Presence::nullable, kId);
  body.partner_id = fields.text("partner_id", Presence::nullable, kId);
  fields.refuse_unknown();
  return body;
}

}  // namespace

std::optional<Publication> read_publication(Call& call, CanonicalObject sent, const Loc& loc,
                                            Timestamp now, Faults& faults) {
  Faults others;
  PublishBody body = check_publish(sent, loc, call.services.catalogue, others);
  // Without an id it cannot have been published before.
  if (!others.empty() || (!body.refusal.empty() && !body.has_event_id)) {
    faults.append(std::move(body.refusal));
    faults.append(std::move(others));
    return std::nullopt;
  }
  const Binding binding = webhookd::bind(call.principal, body.tenant_id, body.partner_id);
  std::string default_id = body.has_event_id ? "" : new_event_id(now, call.services.random);
  return Publication{
      make_event(std::move(sent), binding, std::move(default_id), body.timestamp, now),
      std::move(body.refusal)};
}

std::vector<PublishedEvent> judge_repetitions(Store& store, std::vector<NewEvent> events,
                                              Timestamp now) {
  // All that a call brings is refused when two of its events have one id and different content.
  NewEvent rival = events.front();
  rival.content_hash = sha256(rival.content_hash);
  events.push_back(std::move(rival));
  std::vector<PublishedEvent> judged = store.publish(events, now).events;
  judged.pop_back();
  return judged;
}

}  // namespace webhookd
