#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api/call.h"
#include "api/event_schema.h"
#include "api/query.h"
#include "api/request_body.h"
#include "api/resources.h"
#include "api/schema_keywords.h"
#include "shared/event_pattern.h"

namespace webhookd {
namespace {

HttpResponse list(Call& call) {
  Faults faults;
  Query query(call.request, faults);
  const bool paged = query.has("page") || query.has("per_page");
  const PageRequest page = query.page();
  faults.check();
  const std::vector<EventType> types = call.services.catalogue.all();
  PageInfo info;
  info.total = static_cast<std::int64_t>(types.size());
  info.page = page.page;
  info.per_page = paged ? page.per_page : std::max(1, static_cast<int>(types.size()));
  const std::size_t size = static_cast<std::size_t>(info.per_page);
  const std::size_t first = std::min(types.size(), static_cast<std::size_t>(page.page - 1) * size);
  const std::size_t last = std::min(types.size(), first + size);
  std::vector<Json> items;
  for (std::size_t i = first; i < last; ++i) items.push_back(to_json(types[i]));
  return json_response(200, page_json(std::move(items), info));
}

void read_name(Fields& fields, EventType& type) {
  const auto name = fields.text("event_type", Presence::required, {1, 100});
  if (!name.value) return;
  if (!is_event_type(*name.value)) {
    fields.refuse("event_type", "an event type is dot-separated words of a-z, 0-9 and _");
  } else if (name.value->starts_with("webhook.")) {
    fields.refuse("event_type", "webhook.* is kept for the daemon's own events");
  }
  type.name = *name.value;
}

// A schema that is there already goes on as it was, a new one must be enforced as a whole.
std::optional<std::string> schema_fault(const std::string& schema) {
  try {
    static_cast<void>(EventSchema(schema));
  } catch (const std::invalid_argument& fault) {
    return fault.what();
  }
  const auto keyword = unenforced_keyword(nlohmann::json::parse(schema));
  if (!keyword) return std::nullopt;
  return "it is read as draft 7, which does not enforce this " + *keyword;
}

EventType parse_event_type(const CanonicalObject& object) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  EventType type;
  read_name(fields, type);
  type.description = fields
                         .text("description", Presence::nullable,
                               {0, 500, ControlCharacters::line_breaks_and_tabs})
                         .value;
  type.resource_type = fields.text("resource_type", Presence::nullable, {1, 100}).value;
  type.schema = fields.object_text("schema", Presence::nullable).value;
  if (type.schema) {
    if (const auto why = schema_fault(*type.schema)) {
      fields.refuse("schema", "this is no usable JSON Schema: " + *why);
    }
  }
  fields.refuse_unknown();
  faults.check();
  return type;
}

HttpResponse add(Call& call) {
  const EventType type = parse_event_type(parse_body(call.request, BodyNeed::required));
  const bool added = call.services.store.add_event_type(type, call.change_context());
  call.services.catalogue.invalidate();
  if (!added) throw ApiError(409, "This event type exists already, with another meaning");
  return json_response(201, to_json(type));
}

HttpResponse remove(Call& call) {
  const std::string& name = call.param("event_type");
  const auto known = is_event_type(name) ? call.services.catalogue.find(name) : nullptr;
  if (known && known->type.built_in) {
    throw ApiError(409, "This event type is built in and cannot be deleted");
  }
  const bool removed =
      is_event_type(name) && call.services.store.remove_event_type(name, call.change_context());
  call.services.catalogue.invalidate();
  if (!removed) throw ApiError(404, "Not Found");
  return no_content();
}

}  // namespace

std::vector<Route> event_type_routes() {
  return {
      {"GET", "/api/v1/admin/webhooks/events", Access::read, list},
      {"POST", "/api/v1/admin/event-types", Access::super_write, add},
      {"DELETE", "/api/v1/admin/event-types/{event_type}", Access::super_write, remove},
  };
}

}  // namespace webhookd
