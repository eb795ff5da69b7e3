#include "api/call.h"

#include <nlohmann/json.hpp>

#include "api/query.h"

namespace webhookd {

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
  return to_json(webhook, call.services.dispatcher.state(webhook.id).value_or(EndpointState{}));
}

}  // namespace webhookd
