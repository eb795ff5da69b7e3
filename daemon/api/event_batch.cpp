// POST /api/v1/events/batch: many events, all or none of them.

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/batch_items.h"
#include "api/call.h"
#include "api/publication.h"
#include "api/request_body.h"
#include "api/resources.h"

namespace webhookd {
namespace {

constexpr std::size_t kMostEvents = 1000;

enum class BatchForm { array, lines };

BatchForm form_of(const HttpRequest& request) {
  const auto type = request.header("content-type");
  if (!type || is_json_type(*type)) return BatchForm::array;
  if (is_ndjson_type(*type)) return BatchForm::lines;
  throw ApiError(415, "Send the body as application/x-ndjson or as application/json");
}

// "Line 3" of lines, "Item 2" of an array.
std::string place_of(BatchForm form, const BatchItem& item) {
  return fmt::format("{} {}", form == BatchForm::lines ? "Line" : "Item", item.place);
}

const Loc& body_loc() {
  static const Loc loc{std::string("body")};
  return loc;
}

[[noreturn]] void refuse(Fault fault) { throw ValidationError({std::move(fault)}); }

// An array is one text: what is wrong with an item's syntax is told as the place in all of it.
[[noreturn]] void refuse_array(std::string_view body) {
  const auto parsed = canonicalize(body);
  if (const auto* fault = std::get_if<JsonFault>(&parsed)) {
    refuse(json_fault(body_loc(), body, *fault));
  }
  const auto& whole = std::get<CanonicalMember>(parsed);
  refuse(fault::wrong_type(fault::Type::list, body_loc(), whole.text));
}

std::vector<BatchItem> items_of(BatchForm form, std::string_view body) {
  if (form == BatchForm::lines) return batch_lines(body, kMostEvents + 1);
  if (body.empty()) refuse(fault::missing(body_loc(), "null"));
  auto items = batch_array(body, kMostEvents + 1);
  if (!items) refuse_array(body);
  return std::move(*items);
}

std::vector<BatchItem> bounded_items(const Call& call, BatchForm form) {
  std::vector<BatchItem> items = items_of(form, call.request.body);
  if (items.empty()) refuse(fault::list_too_short(body_loc(), "[]", 1, 0));
  if (items.size() > kMostEvents) {
    throw ApiError(413, fmt::format("A batch has at most {} events", kMostEvents));
  }
  for (const BatchItem& item : items) {
    if (item.text.size() > call.services.options.max_event_bytes) {
      throw ApiError(413, place_of(form, item) + ": the event is too large");
    }
  }
  return items;
}

// What a batch comes to, event by event.
struct Batch {
  BatchForm form = BatchForm::array;
  std::vector<BatchItem> items;
  std::vector<NewEvent> events;
  std::vector<std::pair<std::size_t, Faults>> refusals;  // by index: see Publication
  Faults faults;
};

void read_item(Call& call, const BatchItem& item, Timestamp now, Batch& batch) {
  const Loc loc = body_loc() / item.place;
  auto parsed = canonicalize_object(item.text);
  if (const auto* fault = std::get_if<JsonFault>(&parsed)) {
    if (batch.form == BatchForm::array) refuse_array(call.request.body);
    return batch.faults.add(json_fault(loc, item.text, *fault));
  }
  if (auto* other = std::get_if<CanonicalMember>(&parsed)) {
    return batch.faults.add(fault::wrong_type(fault::Type::model, loc, std::move(other->text)));
  }
  auto publication =
      read_publication(call, std::get<CanonicalObject>(std::move(parsed)), loc, now, batch.faults);
  if (!publication) return;
  if (!publication->refusal.empty()) {
    batch.refusals.emplace_back(batch.events.size(), std::move(publication->refusal));
  }
  batch.events.push_back(std::move(publication->event));
}

// Stops where no more faults are shown. Their order is that of the lines.
Batch read_batch(Call& call, Timestamp now) {
  Batch batch;
  batch.form = form_of(call.request);
  batch.items = bounded_items(call, batch.form);
  batch.events.reserve(batch.items.size());
  for (const BatchItem& item : batch.items) {
    if (batch.faults.is_full()) break;
    try {
      read_item(call, item, now, batch);
    } catch (const ApiError& error) {
      throw ApiError(error.status(), place_of(batch.form, item) + ": " + error.detail(),
                     error.headers());
    }
  }
  return batch;
}

bool are_of_one_id(const NewEvent& one, const NewEvent& other) {
  return one.event_id == other.event_id && one.binding == other.binding;
}

// The event of the batch itself that the one at `index` is at odds with; absent when it is one that
// was accepted before.
std::optional<std::size_t> rival_above(const Batch& batch,
                                       const std::vector<PublishedEvent>& judged,
                                       std::size_t index) {
  for (std::size_t above = 0; above < index; ++above) {
    const bool is_new = judged[above].outcome == PublishedEvent::Outcome::accepted;
    if (is_new && are_of_one_id(batch.events[above], batch.events[index])) return above;
  }
  return std::nullopt;
}

ApiError other_content(const Batch& batch, const std::vector<PublishedEvent>& judged,
                       std::size_t index) {
  const std::string place = place_of(batch.form, batch.items[index]);
  const std::string& id = batch.events[index].event_id;
  if (const auto above = rival_above(batch, judged, index)) {
    return {409, fmt::format("{}: {} of this batch has the same event_id {} and other content",
                             place, place_of(batch.form, batch.items[*above]), id)};
  }
  return {409, fmt::format("{}: another event with the event_id {} and other content was accepted "
                           "before",
                           place, id)};
}

void refuse_conflicts(const Batch& batch, const std::vector<PublishedEvent>& judged) {
  for (std::size_t index = 0; index < judged.size(); ++index) {
    if (judged[index].outcome == PublishedEvent::Outcome::conflict) {
      throw other_content(batch, judged, index);
    }
  }
}

// Events that the catalogue no longer takes were perhaps accepted when it did.
void judge_refused(Call& call, const Batch& batch, Timestamp now) {
  const auto judged = judge_repetitions(call.services.store, batch.events, now);
  Faults faults;
  for (const auto& [index, refusal] : batch.refusals) {
    if (judged[index].outcome == PublishedEvent::Outcome::accepted) faults.append(refusal);
  }
  faults.check();
  refuse_conflicts(batch, judged);
}

// All of it is ASCII without anything to escape.
HttpResponse accepted(const std::vector<PublishedEvent>& events) {
  HttpResponse response;
  response.status = 202;
  std::string& body = response.body;
  body = "{\"items\":[";
  for (const PublishedEvent& event : events) {
    if (body.back() == '}') body += ',';
    fmt::format_to(std::back_inserter(body),
                   R"({{"event_id":"{}","event_type":"{}","deliveries":{},"duplicate":{}}})",
                   event.event_id, event.event_type, event.deliveries,
                   event.outcome == PublishedEvent::Outcome::duplicate);
  }
  body += "]}";
  return response;
}

HttpResponse publish_batch(Call& call) {
  const Timestamp now = call.now();
  Batch batch = read_batch(call, now);
  if (!batch.faults.empty()) {
    // All faults at once, those of the catalogue too.
    for (auto& [index, refusal] : batch.refusals) batch.faults.append(std::move(refusal));
    batch.faults.sort_by_item();
    batch.faults.check();
  }
  if (!batch.refusals.empty()) judge_refused(call, batch, now);
  const PublishResult result = call.services.store.publish(batch.events, now);
  if (!result.stored) refuse_conflicts(batch, result.events);
  if (!result.woken.empty()) call.services.dispatcher.notify(result.woken);
  return accepted(result.events);
}

}  // namespace

std::vector<Route> event_batch_routes() {
  return {{"POST", "/api/v1/events/batch", Access::publish, publish_batch}};
}

}  // namespace webhookd
