#include "api/authorization_table.h"

#include <utility>

namespace webhookd {
namespace {

// The claims of a principal that is bound, and what they amount to.
Asking bound_by(const ApiFixture& api, std::string name, const Json& claims) {
  Asking asking{std::move(name), api.bearer(claims), Reach::bound};
  if (claims.contains("tenant_id")) asking.may_name.tenant_id = claims["tenant_id"];
  if (claims.contains("partner_id")) asking.may_name.partner_id = claims["partner_id"];
  asking.sees = asking.may_name;
  // A tenant's admin has all of its tenant, whichever partner it came by.
  if (claims.value("role", "") == "tenant_admin") asking.sees.partner_id.reset();
  return asking;
}

// A scope narrows any principal to its verbs.
Asking narrowed(Asking asking, const ApiFixture& api, Json claims, const std::string& scope) {
  claims["scope"] = scope;
  asking.name += ", " + scope;
  asking.caller.authorization = api.bearer(claims).authorization;
  const auto has = [&](const char* verb) { return scope.find(verb) != std::string::npos; };
  asking.verbs = {has("read"), has("write"), has("publish")};
  asking.mints = false;
  return asking;
}

Asking no_principal(std::string name, Caller caller, Reach reach) {
  return {std::move(name), std::move(caller), reach, {}, {}, {}, false};
}

// The same token, sent over the socket by somebody there.
Asking over_socket(Asking asking, const PeerCredentials& peer) {
  asking.name += ", over the socket";
  asking.caller.peer = peer;
  return asking;
}

const PeerCredentials kStranger{4242, 4242, 1, {4243}};
const PeerCredentials kMember{4242, 4242, 1, {4243, 0}};
const PeerCredentials kMemberByPrimaryGroup{4242, 0, 1, {}};

void add_refused(std::vector<Asking>& all, const ApiFixture& api) {
  const auto token = [&](const Json& claims) { return api.bearer(claims); };
  const Caller garbage{std::nullopt, "Bearer a.b.c"};
  all.push_back(no_principal("anonymous", anonymous(), Reach::nobody));
  all.push_back(no_principal("garbage", garbage, Reach::nobody));
  all.push_back(over_socket(no_principal("garbage of root", garbage, Reach::nobody), *root().peer));
  all.push_back(
      no_principal("expired", token({{"role", "super_admin"}, {"exp", 1000}}), Reach::nobody));
  for (const auto& [name, claims] : std::vector<std::pair<std::string, Json>>{
           {"no role, no scope", {{"tenant_id", "t1"}}},
           {"unknown role", {{"role", "king"}, {"tenant_id", "t1"}}},
           {"tenant_admin of nobody", {{"role", "tenant_admin"}}},
           {"partner_admin of a tenant", {{"role", "partner_admin"}, {"tenant_id", "t1"}}},
           {"scope bound to nobody", {{"scope", "webhooks:read"}}},
           {"platform_token as text", {{"platform_token", "true"}}}}) {
    all.push_back(no_principal(name, token(claims), Reach::without_rights));
  }
  all.push_back(
      no_principal("another local user", {kStranger, std::nullopt}, Reach::without_rights));
  all.push_back(over_socket(no_principal("a super_admin's token of another local user",
                                         token({{"role", "super_admin"}}), Reach::without_rights),
                            kStranger));
}

void add_unbound(std::vector<Asking>& all, const ApiFixture& api) {
  const Json role = {{"role", "super_admin"}};
  const Json platform = {{"platform_token", true}};
  const auto on_socket = [&](std::string name, const PeerCredentials& peer) {
    Asking asking{std::move(name), {peer, std::nullopt}};
    asking.mints = true;
    all.push_back(asking);
  };
  on_socket("root", *root().peer);
  on_socket("a member of admin_group", kMember);
  on_socket("a member of admin_group by its primary group", kMemberByPrimaryGroup);
  const Asking super{"super_admin", api.bearer(role)};
  Asking local = over_socket(super, kMember);
  local.mints = true;
  all.push_back(super);
  all.push_back(local);
  all.push_back({"platform token", api.bearer(platform)});
  all.push_back(narrowed(super, api, role, "webhooks:read"));
  all.push_back(narrowed(local, api, role, "webhooks:write"));
  all.push_back(narrowed({"platform token", {}}, api, platform, "webhooks:write"));
}

void add_bound(std::vector<Asking>& all, const ApiFixture& api) {
  const Json tenant = {{"tenant_id", "t1"}};
  const Json partner = {{"partner_id", "p1"}};
  const Json both = {{"tenant_id", "t1"}, {"partner_id", "p1"}};
  const auto with_role = [](Json claims, const char* role) {
    claims["role"] = role;
    return claims;
  };
  const Json tenant_admin = with_role(tenant, "tenant_admin");
  all.push_back(bound_by(api, "tenant_admin", tenant_admin));
  all.push_back(over_socket(all.back(), *root().peer));
  all.push_back(bound_by(api, "tenant_admin with a partner", with_role(both, "tenant_admin")));
  all.push_back(bound_by(api, "partner_admin", with_role(partner, "partner_admin")));
  all.push_back(over_socket(all.back(), kMember));
  const auto scoped = [&](const char* name, const Json& claims, const char* scope) {
    all.push_back(narrowed(bound_by(api, name, claims), api, claims, scope));
  };
  scoped("tenant", tenant, "webhooks:read");
  scoped("tenant", tenant, "webhooks:write");
  scoped("tenant", tenant, "events:publish");
  scoped("partner", partner, "webhooks:read webhooks:write");
  scoped("tenant and partner", both, "webhooks:read webhooks:write events:publish");
  scoped("tenant_admin", tenant_admin, "events:publish");
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

std::string path_of(const RouteRow& row, const Thing& thing) {
  std::string path = row.pattern;
  replace(path, "{webhook_id}", thing.webhook);
  replace(path, "{delivery_id}", thing.delivery);
  replace(path, "{event_id}", thing.event);
  replace(path, "{event_type}", "order.removable");
  return path;
}

Json binding_json(const Binding& binding) {
  const auto id = [](const std::optional<std::string>& value) {
    return value ? Json(*value) : Json();
  };
  return {{"tenant_id", id(binding.tenant_id)}, {"partner_id", id(binding.partner_id)}};
}

bool is_granted(const Asking& asking, Access access) {
  switch (access) {
    case Access::open:
    case Access::authenticated:
      return true;
    case Access::read:
      return asking.verbs.read;
    case Access::write:
      return asking.verbs.write;
    case Access::publish:
      return asking.verbs.publish;
    case Access::super_read:
      return asking.reach == Reach::all && asking.verbs.read;
    case Access::super_write:
      return asking.reach == Reach::all && asking.verbs.write;
  }
  return false;
}

bool sees(const Asking& asking, const Binding& thing) {
  const auto covers = [](const auto& bound, const auto& actual) {
    return !bound || bound == actual;
  };
  return asking.reach == Reach::all || (covers(asking.sees.tenant_id, thing.tenant_id) &&
                                        covers(asking.sees.partner_id, thing.partner_id));
}

// A partner's principal may name any tenant: there is no map from tenants to partners.
bool may_name_tenant(const Asking& asking, const Binding& thing) {
  return asking.reach == Reach::all || !asking.may_name.tenant_id ||
         asking.may_name.tenant_id == thing.tenant_id;
}
bool may_name_partner(const Asking& asking, const Binding& thing) {
  return asking.reach == Reach::all || asking.may_name.partner_id == thing.partner_id;
}

}  // namespace

std::vector<Asking> all_asking(const ApiFixture& api) {
  std::vector<Asking> all;
  add_refused(all, api);
  add_unbound(all, api);
  add_bound(all, api);
  return all;
}

Thing make_thing(ApiFixture& api, std::string name, const Binding& binding) {
  static int serial = 0;
  Json webhook = webhook_body();
  webhook["name"] = "thing " + std::to_string(++serial);
  webhook.update(binding_json(binding));
  Json event = {{"event_type", "user.created"}, {"data", Json::object()}};
  event.update(binding_json(binding));
  Thing thing{std::move(name), binding, api.create(webhook), "", ""};
  thing.event = api.send("POST", "/api/v1/events", event.dump()).json.at("event_id");
  const Reply deliveries = api.send("GET", kWebhooks + "/" + thing.webhook + "/deliveries");
  thing.delivery = deliveries.json.at("items").at(0).at("id").dump();
  return thing;
}

std::vector<RouteRow> rows() {
  const std::string one = kWebhooks + "/{webhook_id}";
  const std::string delivery = one + "/deliveries/{delivery_id}";
  const Json event = {{"event_type", "user.created"}, {"data", Json::object()}};
  const Json type = {{"event_type", "order.paid"}};
  return {
      {"GET", kWebhooks, Access::read, NamedBy::by_query, 200},
      {"POST", kWebhooks, Access::write, NamedBy::by_body, 201, webhook_body()},
      {"GET", one, Access::read, NamedBy::by_path, 200},
      {"PATCH", one, Access::write, NamedBy::by_path, 200, {{"description", "new"}}},
      {"DELETE", one, Access::write, NamedBy::by_path, 204},
      {"POST", one + "/rotate-secret", Access::write, NamedBy::by_path, 200},
      {"POST", "/api/v1/events", Access::publish, NamedBy::by_body, 202, event},
      {"POST", "/api/v1/events/batch", Access::publish, NamedBy::by_body, 202,
       Json::array({event})},
      {"GET", "/api/v1/admin/events/{event_id}", Access::read, NamedBy::by_path, 200},
      {"GET", kWebhooks + "/events", Access::read, NamedBy::nothing, 200},
      {"POST", "/api/v1/admin/event-types", Access::super_write, NamedBy::nothing, 201, type},
      {"DELETE", "/api/v1/admin/event-types/{event_type}", Access::super_write, NamedBy::nothing,
       204},
      {"GET", one + "/deliveries", Access::read, NamedBy::by_path, 200},
      {"GET", delivery, Access::read, NamedBy::by_path, 200},
      {"POST", delivery + "/retry", Access::write, NamedBy::by_path, 200},
      {"POST", delivery + "/cancel", Access::write, NamedBy::by_path, 200},
      {"POST", one + "/deliveries/retry", Access::write, NamedBy::by_path, 200, Json::object()},
      {"POST", one + "/deliveries/cancel", Access::write, NamedBy::by_path, 200, Json::object()},
      {"POST",
       one + "/replay",
       Access::write,
       NamedBy::by_path,
       200,
       {{"since", "2020-01-01T00:00:00Z"}}},
      {"GET", "/api/v1/admin/deliveries", Access::read, NamedBy::by_query, 200},
      {"GET", "/api/v1/admin/deliveries/stream", Access::read, NamedBy::nothing, 200},
      {"GET", "/api/v1/admin/deliveries/{delivery_id}", Access::read, NamedBy::by_path, 200},
      {"POST", one + "/test", Access::write, NamedBy::by_path, 200},
      {"GET", one + "/stats", Access::read, NamedBy::by_path, 200},
      {"GET", "/api/v1/admin/status", Access::super_read, NamedBy::nothing, 200},
      {"GET", "/api/v1/admin/audit", Access::super_read, NamedBy::nothing, 200},
      {"POST", "/api/v1/admin/tokens", Access::super_write, NamedBy::nothing, 200},
      {"GET", "/healthz", Access::open, NamedBy::nothing, 200},
      {"GET", "/readyz", Access::open, NamedBy::nothing, 200},
      {"GET", "/api/v1/version", Access::authenticated, NamedBy::nothing, 200},
  };
}

int expected_status(const Asking& asking, const RouteRow& row, const Thing& thing, Naming naming) {
  if (row.access == Access::open) return row.ok;
  if (asking.reach == Reach::nobody) return 401;
  if (asking.reach == Reach::without_rights || !is_granted(asking, row.access)) return 403;
  if (row.pattern == "/api/v1/admin/tokens") return asking.mints ? row.ok : 403;
  const Binding& binding = thing.binding;
  const bool has_tenant = binding.tenant_id.has_value();
  const bool has_partner = binding.partner_id.has_value();
  switch (row.names) {
    case NamedBy::nothing:
      return row.ok;
    case NamedBy::by_path:
      return sees(asking, binding) ? row.ok : 404;
    case NamedBy::by_query:
      if (naming == Naming::silent) return row.ok;
      return (!has_tenant || may_name_tenant(asking, binding)) &&
                     (!has_partner || may_name_partner(asking, binding))
                 ? row.ok
                 : 403;
    case NamedBy::by_body:
      if (naming == Naming::silent) return row.ok;
      return may_name_tenant(asking, binding) && may_name_partner(asking, binding) ? row.ok : 403;
  }
  return 0;
}

Reply ask(ApiFixture& api, const Asking& asking, const RouteRow& row, const Thing& thing,
          Naming naming) {
  static int serial = 0;
  Json body = row.body;
  std::string path = path_of(row, thing);
  if (naming == Naming::named && row.names == NamedBy::by_query) {
    path += "?per_page=1";
    if (thing.binding.tenant_id) path += "&tenant_id=" + *thing.binding.tenant_id;
    if (thing.binding.partner_id) path += "&partner_id=" + *thing.binding.partner_id;
  }
  if (naming == Naming::named && row.names == NamedBy::by_body) {
    (body.is_array() ? body.at(0) : body).update(binding_json(thing.binding));
  }
  if (row.ok == 201 && body.contains("url")) body["name"] = "made " + std::to_string(++serial);
  return api.send(row.method, path, body.is_null() ? "" : body.dump(), asking.caller);
}

}  // namespace webhookd
