// Many deliveries at once: retry, cancel, replay. Each call is made in batches of a few
// milliseconds, so that publishing and delivery never wait for it, and is itself bounded by its
// limit and by time: it answers with what it did and where to go on.

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/query.h"
#include "api/request_body.h"
#include "api/resources.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

constexpr std::int64_t kMostAtOnce = 10'000;
constexpr std::int64_t kDefaultLimit = 1'000;
constexpr std::int64_t kBatch = 250;
// Well below the time that clients and proxies wait for an answer.
constexpr std::chrono::seconds kTimeBudget{5};

constexpr std::string_view kDeliveryCursor = "after";
constexpr std::string_view kReplayCursor = "replay";

// "after:4711" and "replay:4711:5000", opaque to callers.
std::string make_cursor(std::string_view kind, std::int64_t after, std::int64_t through) {
  std::string text = std::string(kind) + ":" + std::to_string(after);
  if (kind == kReplayCursor) text += ":" + std::to_string(through);
  return base64url_encode(text);
}

struct Position {
  std::int64_t after = 0;
  std::int64_t through = 0;
};

std::optional<Position> parse_cursor(std::string_view kind, const std::string& cursor) {
  const auto decoded = base64url_decode(cursor);
  if (!decoded || !decoded->starts_with(std::string(kind) + ":")) return std::nullopt;
  std::string_view rest = std::string_view(*decoded).substr(kind.size() + 1);
  std::optional<std::int64_t> through = 0;
  if (kind == kReplayCursor) {
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    through = parse_integer(rest.substr(colon + 1));
    rest = rest.substr(0, colon);
  }
  const auto after = parse_integer(rest);
  if (!after || *after < 0 || !through || *through < 0) return std::nullopt;
  return Position{*after, *through};
}

// What all three have in common.
struct Common {
  std::optional<Timestamp> since;
  std::optional<Timestamp> until;
  std::optional<std::string> event_type;
  std::int64_t limit = kDefaultLimit;
  DryRun dry_run = DryRun::no;
  Position from;
};

Common read_common(Fields& fields, Presence since, std::string_view cursor_kind) {
  Common common;
  common.event_type = fields.text("event_type", Presence::nullable, {}).value;
  common.since = fields.time("since", since).value;
  common.until = fields.time("until", Presence::nullable).value;
  if (common.since && common.until && *common.until < *common.since) {
    fields.refuse("until", "the end must not be before since");
  }
  common.limit =
      fields.integer("limit", Presence::nullable, {1, kMostAtOnce}).value.value_or(kDefaultLimit);
  const bool dry_run = fields.boolean("dry_run", Presence::nullable).value.value_or(false);
  common.dry_run = dry_run ? DryRun::yes : DryRun::no;
  if (const auto cursor = fields.text("cursor", Presence::nullable, {}); cursor.value) {
    const auto position = parse_cursor(cursor_kind, *cursor.value);
    if (!position) fields.refuse("cursor", "this is no next_cursor of an earlier answer");
    common.from = position.value_or(Position{});
  }
  return common;
}

struct ChangeBody {
  DeliveryBatch batch;
  std::int64_t limit = kDefaultLimit;
};

ChangeBody parse_change(const CanonicalObject& object, ChangeOfMany change,
                        DeliveryStatus default_status) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  ChangeBody body;
  DeliveryFilter& filter = body.batch.filter;
  const auto status = fields.literal("status", Presence::nullable,
                                     {"pending", "in_flight", "succeeded", "failed", "cancelled"});
  filter.status = status.value ? parse_delivery_status(*status.value) : default_status;
  if (const auto wanted = fields.text("response_status", Presence::nullable, {}); wanted.value) {
    filter.response_status = parse_response_status(*wanted.value);
    if (!filter.response_status) fields.refuse("response_status", kNoResponseStatus);
  }
  const Common common = read_common(fields, Presence::nullable, kDeliveryCursor);
  fields.refuse_unknown();
  faults.check();
  filter.event_type = common.event_type;
  filter.since = common.since;
  filter.until = common.until;
  body.batch.change = change;
  body.batch.after = DeliveryId{common.from.after};
  body.batch.dry_run = common.dry_run;
  body.limit = common.limit;
  return body;
}

struct ReplayBody {
  ReplayBatch batch;
  std::int64_t limit = kDefaultLimit;
};

ReplayBody parse_replay(const CanonicalObject& object) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  ReplayBody body;
  ReplayBatch& batch = body.batch;
  batch.missed_only = fields.boolean("missed_only", Presence::nullable).value.value_or(false);
  batch.replay_id = fields.text("replay_id", Presence::nullable, {1, 64}).value;
  // They have the same form.
  if (batch.replay_id && !is_event_id(*batch.replay_id)) {
    fields.refuse("replay_id", "a replay id consists of A-Z, a-z, 0-9, _ and -");
  }
  const Common common = read_common(fields, Presence::required, kReplayCursor);
  fields.refuse_unknown();
  faults.check();
  batch.since = *common.since;
  batch.until = common.until;
  batch.event_type = common.event_type;
  batch.after = common.from.after;
  batch.through = common.from.through;
  batch.dry_run = common.dry_run;
  body.limit = common.limit;
  return body;
}

ApiError refusal(BatchFault fault) {
  switch (fault) {
    case BatchFault::webhook_not_found:
      return webhook_not_found();
    case BatchFault::webhook_disabled:
      return {409, "The webhook is disabled: set its status to active first"};
  }
  return webhook_not_found();
}

// Makes the batch of at most that many matches that is next.
using NextBatch = std::function<BatchResult(int, const BatchSum&)>;

// Batches until the limit, the end, or the time is over.
BatchResult run_batches(Call& call, const WebhookId& webhook, std::int64_t limit,
                        const NextBatch& next_batch) {
  const Clock& clock = call.services.clock;
  const Monotonic end = clock.monotonic() + kTimeBudget;
  const std::array woken{webhook};
  BatchResult result;
  do {
    const std::int64_t room = std::min(kBatch, limit - result.sum.matched);
    const BatchResult batch = next_batch(static_cast<int>(room), result.sum);
    if (batch.fault) {
      // What was done before is told; whoever goes on from there is told of this.
      if (result.sum.matched == 0) throw refusal(*batch.fault);
      break;
    }
    const bool has_changed = batch.sum.changed > result.sum.changed;
    result = batch;
    // Absent: a dry run.
    if (has_changed && result.sum.audit_id) call.services.dispatcher.notify(woken);
  } while (result.more && result.sum.matched < limit && clock.monotonic() < end);
  return result;
}

HttpResponse answer(const BatchResult& result, std::string_view changed,
                    const std::string& cursor) {
  return json_response(200, {{"matched", result.sum.matched},
                             {std::string(changed), result.sum.changed},
                             {"skipped", result.sum.skipped},
                             {"next_cursor", result.more ? Json(cursor) : Json()}});
}

HttpResponse change_many(Call& call, ChangeBody body, std::string_view changed) {
  DeliveryBatch& batch = body.batch;
  batch.filter.webhook_id = visible_webhook(call).id;
  batch.filter.visible_to = call.principal.sees;
  batch.filter.events_visible_to = call.principal.sees;
  const BatchResult result =
      run_batches(call, *batch.filter.webhook_id, body.limit, [&](int room, const BatchSum& done) {
        batch.limit = room;
        BatchResult made =
            call.services.store.change_deliveries(batch, done, call.change_context());
        if (!made.fault) batch.after = DeliveryId{made.after};
        return made;
      });
  return answer(result, changed, make_cursor(kDeliveryCursor, batch.after.value, 0));
}

HttpResponse retry_many(Call& call) {
  return change_many(call,
                     parse_change(parse_body(call.request, BodyNeed::required), ChangeOfMany::retry,
                                  DeliveryStatus::failed),
                     "retried");
}

HttpResponse cancel_many(Call& call) {
  return change_many(call,
                     parse_change(parse_body(call.request, BodyNeed::required),
                                  ChangeOfMany::cancel, DeliveryStatus::pending),
                     "cancelled");
}

HttpResponse replay(Call& call) {
  ReplayBody body = parse_replay(parse_body(call.request, BodyNeed::required));
  ReplayBatch& batch = body.batch;
  batch.webhook = visible_webhook(call).id;
  batch.visible_to = call.principal.sees;
  const BatchResult result =
      run_batches(call, batch.webhook, body.limit, [&](int room, const BatchSum& done) {
        batch.limit = room;
        const ReplayResult made =
            call.services.store.replay_events(batch, done, call.change_context());
        if (!made.fault) {
          batch.after = made.after;
          batch.through = made.through;
        }
        return BatchResult(made);
      });
  return answer(result, "created", make_cursor(kReplayCursor, batch.after, batch.through));
}

}  // namespace

std::vector<Route> many_routes() {
  return {
      {"POST", "/api/v1/admin/webhooks/{webhook_id}/deliveries/retry", Access::write, retry_many},
      {"POST", "/api/v1/admin/webhooks/{webhook_id}/deliveries/cancel", Access::write, cancel_many},
      {"POST", "/api/v1/admin/webhooks/{webhook_id}/replay", Access::write, replay},
  };
}

}  // namespace webhookd
