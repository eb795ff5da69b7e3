#include "api/call.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/query.h"

namespace webhookd {
namespace {

// Why an ordered webhook that could send does not: the first in its line has failed, and nobody may
// overtake it.
std::optional<std::string> order_reason(const Call& call, const Webhook& webhook) {
  if (!webhook.head_delivery_id || webhook.backlog < 2) return std::nullopt;
  const auto head = call.services.store.find_delivery(*webhook.head_delivery_id);
  if (!head || head->attempt_count == 0 || !head->next_attempt_at) return std::nullopt;
  return fmt::format(
      "it is ordered, and delivery {} comes first: {} of its {} attempts failed, the next is due "
      "at "
      "{}",
      head->id.value, head->attempt_count, head->max_attempts,
      format_rfc3339(*head->next_attempt_at));
}

}  // namespace

ChangeContext Call::change_context() const {
  return {now(), principal.actor, request.remote, request.request_id};
}

HttpResponse json_response(int status, const Json& body) {
  HttpResponse response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

HttpResponse no_content() {
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  return response;
}

DeliveryId delivery_id_param(const Call& call, Faults& faults) {
  const std::string& text = call.param("delivery_id");
  const auto id = parse_integer(text);
  if (!id) {
    faults.add(
        fault::int_parsing({std::string("path"), std::string("delivery_id")}, json_quoted(text)));
  }
  return {id.value_or(0)};
}

DeliveryId delivery_id_param(const Call& call) {
  Faults faults;
  const DeliveryId id = delivery_id_param(call, faults);
  faults.check();
  return id;
}

Webhook visible_webhook(const Call& call) {
  const std::string& id = call.param("webhook_id");
  if (!is_webhook_id(id)) throw webhook_not_found();
  auto webhook = call.services.store.find_webhook({id});
  if (!webhook || !call.principal.may_see(webhook->settings.binding)) throw webhook_not_found();
  return std::move(*webhook);
}

ApiError webhook_not_found() { return {404, "Webhook not found"}; }
ApiError delivery_not_found() { return {404, "Delivery not found"}; }

Json webhook_json(const Call& call, const Webhook& webhook) {
  EndpointState state = call.services.dispatcher.state(webhook.id).value_or(EndpointState{});
  if (!state.hold_reason) state.hold_reason = order_reason(call, webhook);
  return to_json(webhook, state);
}

}  // namespace webhookd
