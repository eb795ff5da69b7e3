#include <array>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/query.h"
#include "api/resources.h"

namespace webhookd {
namespace {

// Where counting stops; what lies deeper is reached by cursor.
constexpr std::int64_t kCounted = 10'000;

struct ListRequest {
  DeliveryFilter filter;
  PageRequest page;
};

// Without the last check of `faults`.
ListRequest parse_list(Query& query) {
  ListRequest list;
  list.page = query.page();
  if (const auto status =
          query.literal("status", {"pending", "in_flight", "succeeded", "failed", "cancelled"})) {
    list.filter.status = parse_delivery_status(*status);
  }
  list.filter.event_type = query.text("event_type");
  list.filter.since = query.time("since");
  list.filter.until = query.time("until");
  list.filter.response_status = query.response_status("response_status");
  list.filter.before = query.cursor("cursor");
  const bool counted_exactly = !list.filter.event_type && !list.filter.since &&
                               !list.filter.until && !list.filter.response_status;
  const std::int64_t skipped = std::int64_t{list.page.page - 1} * list.page.per_page;
  if (list.filter.before) {
    list.page.page = 1;
  } else if (!counted_exactly && skipped >= kCounted) {
    query.refuse("page", "pages this deep need the cursor of the page before");
  }
  return list;
}

HttpResponse answer_list(Call& call, ListRequest list) {
  list.filter.events_visible_to = call.principal.sees;
  const DeliveryPage found = call.services.store.list_deliveries(list.filter, list.page);
  std::vector<Json> items;
  for (const Delivery& delivery : found.items) items.push_back(to_json(delivery));
  PageInfo info;
  info.total = found.total;
  info.total_capped = found.total_capped;
  info.page = list.page.page;
  info.per_page = list.page.per_page;
  info.cursor_offered = true;
  if (found.more && !found.items.empty()) {
    info.next_cursor = encode_cursor(found.items.back().id.value);
  }
  return json_response(200, page_json(std::move(items), info));
}

HttpResponse answer_detail(Call& call, DeliveryId id, const Webhook& webhook) {
  const auto detail = call.services.store.delivery_detail(id);
  if (!detail || detail->delivery.webhook_id != webhook.id ||
      !call.principal.may_see(detail->delivery.event_binding)) {
    throw delivery_not_found();
  }
  const auto diagnosis = call.services.dispatcher.diagnose(detail->delivery, detail->attempts,
                                                           webhook.settings.timeout);
  return json_response(200, delivery_detail_json(detail->delivery, detail->attempts, detail->url,
                                                 detail->body, diagnosis));
}

HttpResponse list_of_webhook(Call& call) {
  Faults faults;
  Query query(call.request, faults);
  ListRequest list = parse_list(query);
  faults.check();
  list.filter.webhook_id = visible_webhook(call).id;
  return answer_list(call, list);
}

HttpResponse detail_of_webhook(Call& call) {
  const DeliveryId id = delivery_id_param(call);
  return answer_detail(call, id, visible_webhook(call));
}

HttpResponse list_all(Call& call) {
  Faults faults;
  Query query(call.request, faults);
  ListRequest list = parse_list(query);
  const auto webhook = query.text("webhook_id");
  const auto tenant = query.text("tenant_id");
  const auto partner = query.text("partner_id");
  faults.check();
  if (webhook) list.filter.webhook_id = WebhookId{*webhook};
  list.filter.visible_to = narrow(call.principal, tenant, partner);
  return answer_list(call, list);
}

HttpResponse detail_of_any(Call& call) {
  const DeliveryId id = delivery_id_param(call);
  const auto delivery = call.services.store.find_delivery(id);
  if (!delivery) throw delivery_not_found();
  const auto webhook = call.services.store.find_webhook(delivery->webhook_id);
  if (!webhook || !call.principal.may_see(webhook->settings.binding)) throw delivery_not_found();
  return answer_detail(call, id, *webhook);
}

Json delivery_now(Call& call, DeliveryId id) {
  const auto delivery = call.services.store.find_delivery(id);
  if (!delivery) throw delivery_not_found();
  return to_json(*delivery);
}

HttpResponse retry(Call& call) {
  Faults faults;
  const DeliveryId id = delivery_id_param(call, faults);
  const bool force = Query(call.request, faults).flag("force");
  faults.check();
  const std::array woken{visible_webhook(call).id};
  const auto succeeded = force ? RetrySucceeded::allow : RetrySucceeded::refuse;
  switch (call.services.store.retry_delivery(woken[0], id, succeeded, call.change_context())) {
    case RetryOutcome::retried:
      break;
    case RetryOutcome::not_found:
      throw delivery_not_found();
    case RetryOutcome::in_flight:
      throw ApiError(409, "The delivery is in flight: wait for its attempt to end");
    case RetryOutcome::webhook_disabled:
      throw ApiError(409, "The webhook is disabled: set its status to active first");
    case RetryOutcome::already_succeeded:
      throw ApiError(409, "The delivery has succeeded: with force=true it is sent again");
    case RetryOutcome::is_test:
      throw ApiError(409, "A test is never retried: send another one");
    case RetryOutcome::foreign_event:
      throw ApiError(409, "The event is of another tenant or partner than the webhook is now");
  }
  // Read before the loop is told, so that the answer shows it pending.
  HttpResponse response = json_response(200, delivery_now(call, id));
  call.services.dispatcher.notify(woken);
  return response;
}

HttpResponse cancel(Call& call) {
  const DeliveryId id = delivery_id_param(call);
  const std::array woken{visible_webhook(call).id};
  switch (call.services.store.cancel_delivery(woken[0], id, call.change_context())) {
    case CancelOutcome::cancelled:
      break;
    case CancelOutcome::not_found:
      throw delivery_not_found();
    case CancelOutcome::not_pending:
      throw ApiError(409, "Only a pending delivery can be cancelled");
  }
  // In an ordered webhook the next one may go now.
  call.services.dispatcher.notify(woken);
  return json_response(200, delivery_now(call, id));
}

}  // namespace

std::vector<Route> delivery_routes() {
  return {
      {"GET", "/api/v1/admin/webhooks/{webhook_id}/deliveries", Access::read, list_of_webhook},
      {"GET", "/api/v1/admin/webhooks/{webhook_id}/deliveries/{delivery_id}", Access::read,
       detail_of_webhook},
      {"POST", "/api/v1/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/retry", Access::write,
       retry},
      {"POST", "/api/v1/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/cancel", Access::write,
       cancel},
      {"GET", "/api/v1/admin/deliveries", Access::read, list_all},
      {"GET", "/api/v1/admin/deliveries/{delivery_id}", Access::read, detail_of_any},
  };
}

}  // namespace webhookd
