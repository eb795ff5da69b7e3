#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/query.h"
#include "api/request_body.h"
#include "api/resources.h"
#include "api/webhook_body.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxName = 100;

WebhookRules rules_of(const Call& call) {
  return {call.services.catalogue, call.services.dispatcher, call.now(),
          call.services.options.header_prefix};
}

[[noreturn]] void refuse(WebhookFault fault) {
  switch (fault) {
    case WebhookFault::not_found:
      throw webhook_not_found();
    case WebhookFault::name_taken:
      break;
  }
  throw ApiError(409, "Another webhook of this tenant and partner has this name: choose another");
}

HttpResponse list(Call& call) {
  Faults faults;
  Query query(call.request, faults);
  const PageRequest page = query.page();
  const auto tenant = query.text("tenant_id");
  const auto partner = query.text("partner_id");
  WebhookFilter filter;
  if (const auto status = query.literal("status", {"active", "paused", "disabled"})) {
    filter.status = parse_webhook_status(*status);
  }
  filter.event_type = query.text("event_type");
  filter.name = query.text("name");
  filter.text = query.text("q");
  faults.check();
  const Binding shown = narrow(call.principal, tenant, partner);
  filter.tenant_id = shown.tenant_id;
  filter.partner_id = shown.partner_id;
  const WebhookPage found = call.services.store.list_webhooks(filter, page);
  std::vector<Json> items;
  for (const Webhook& webhook : found.items) items.push_back(webhook_json(call, webhook));
  PageInfo info;
  info.total = found.total;
  info.page = page.page;
  info.per_page = page.per_page;
  return json_response(200, page_json(std::move(items), info));
}

NewWebhook new_webhook(const Call& call, const WebhookBody& body) {
  NewWebhook webhook{new_webhook_id(call.services.random), {}, {}};
  webhook.settings.timeout = call.services.options.default_timeout;
  webhook.settings.name = body.host.substr(0, kMaxName);
  apply(body, webhook.settings);
  webhook.settings.binding = bind(call.principal, body.tenant_id, body.partner_id);
  webhook.secret = body.secret.value ? *body.secret.value : new_secret(call.services.random);
  return webhook;
}

HttpResponse create(Call& call) {
  const WebhookBody body =
      parse_webhook_create(parse_body(call.request, BodyNeed::required), rules_of(call));
  const NewWebhook webhook = new_webhook(call, body);
  const auto created = call.services.store.create_webhook(webhook, call.change_context());
  if (const auto* fault = std::get_if<WebhookFault>(&created)) refuse(*fault);
  call.services.dispatcher.refresh(webhook.id);
  Json json = webhook_json(call, std::get<Webhook>(created));
  json["secret"] = webhook.secret.value;
  HttpResponse response = json_response(201, json);
  response.headers.emplace_back("Location", "/api/v1/admin/webhooks/" + webhook.id.value);
  return response;
}

HttpResponse get(Call& call) {
  return json_response(200, webhook_json(call, visible_webhook(call)));
}

// A principal that is bound may name what is there already, and nothing else.
void rebind(const Principal& principal, const WebhookBody& body, Binding& binding) {
  Binding wanted = binding;
  if (body.tenant_id.sent) wanted.tenant_id = body.tenant_id.value;
  if (body.partner_id.sent) wanted.partner_id = body.partner_id.value;
  if (wanted != binding && principal.reach != Principal::Reach::all) {
    throw ApiError(403, "Only a super_admin changes a webhook's tenant_id or partner_id");
  }
  binding = wanted;
}

HttpResponse patch(Call& call) {
  const WebhookBody body =
      parse_webhook_patch(parse_body(call.request, BodyNeed::required), rules_of(call));
  const WebhookId id = visible_webhook(call).id;
  const auto change = [&](WebhookSettings& settings) {
    // It may have changed hands since it was looked at.
    if (!call.principal.may_see(settings.binding)) throw webhook_not_found();
    rebind(call.principal, body, settings.binding);
    apply(body, settings);
  };
  const auto updated = call.services.store.update_webhook(id, change, call.change_context());
  if (const auto* fault = std::get_if<WebhookFault>(&updated)) refuse(*fault);
  call.services.dispatcher.refresh(id);
  return json_response(200, webhook_json(call, std::get<Webhook>(updated)));
}

HttpResponse remove(Call& call) {
  const WebhookId id = visible_webhook(call).id;
  if (!call.services.store.delete_webhook(id, call.change_context())) throw webhook_not_found();
  call.services.dispatcher.refresh(id);
  return no_content();
}

HttpResponse rotate(Call& call) {
  const RotateBody body = parse_rotate(parse_body(call.request, BodyNeed::optional));
  const WebhookId id = visible_webhook(call).id;
  const Secret secret = body.secret ? *body.secret : new_secret(call.services.random);
  const auto expires =
      call.services.store.rotate_secret(id, secret, body.grace, call.change_context());
  if (!expires) throw webhook_not_found();
  call.services.dispatcher.refresh(id);
  const bool old_one_lives = body.grace > std::chrono::seconds{0};
  return json_response(200, {{"id", id.value},
                             {"secret", secret.value},
                             {"previous_secret_expires_at",
                              old_one_lives ? Json(format_rfc3339(*expires)) : Json()}});
}

}  // namespace

std::vector<Route> webhook_routes() {
  return {
      {"GET", "/api/v1/admin/webhooks", Access::read, list},
      {"POST", "/api/v1/admin/webhooks", Access::write, create},
      {"GET", "/api/v1/admin/webhooks/{webhook_id}", Access::read, get},
      {"PATCH", "/api/v1/admin/webhooks/{webhook_id}", Access::write, patch},
      {"DELETE", "/api/v1/admin/webhooks/{webhook_id}", Access::write, remove},
      {"POST", "/api/v1/admin/webhooks/{webhook_id}/rotate-secret", Access::write, rotate},
  };
}

}  // namespace webhookd
