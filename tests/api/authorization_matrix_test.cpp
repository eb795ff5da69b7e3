// Every principal on every route, on what is its own and on what is another's.

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "api/api_fixture.h"
#include "api/resources.h"

namespace webhookd {
namespace {

enum class Reach { nobody, without_rights, stranger, own, all };

struct Asking {
  std::string name;
  Caller caller;
  Reach reach = Reach::all;
  bool read = true;
  bool write = true;
  bool publish = true;
  bool socket = false;
  bool narrowed = false;
};

Asking no_principal(const char* name, const Caller& caller, Reach reach) {
  return {name, caller, reach, false, false, false, false, false};
}

std::vector<Asking> all_asking(const ApiFixture& api) {
  const auto token = [&](Json claims) { return api.bearer(std::move(claims)); };
  const auto scoped = [&](const char* name, Json claims, Reach reach) {
    const std::string scope = claims["scope"];
    const auto has = [&](const char* verb) { return scope.find(verb) != std::string::npos; };
    return Asking{name,         token(claims),  reach, has("read"),
                  has("write"), has("publish"), false, true};
  };
  const PeerCredentials stranger{4242, 4242, 1, {4243}};
  return {
      no_principal("anonymous", anonymous(), Reach::nobody),
      no_principal("garbage", {std::nullopt, "Bearer a.b.c"}, Reach::nobody),
      no_principal("expired", token({{"role", "super_admin"}, {"exp", 1000}}), Reach::nobody),
      no_principal("no role, no scope", token({{"tenant_id", "t1"}}), Reach::without_rights),
      no_principal("unknown role", token({{"role", "king"}, {"tenant_id", "t1"}}),
                   Reach::without_rights),
      no_principal("tenant_admin of nobody", token({{"role", "tenant_admin"}}),
                   Reach::without_rights),
      no_principal("scope bound to nobody", token({{"scope", "webhooks:read"}}),
                   Reach::without_rights),
      no_principal("platform_token as text", token({{"platform_token", "true"}}),
                   Reach::without_rights),
      no_principal("another local user", {stranger, std::nullopt}, Reach::stranger),
      {"root on the socket", root(), Reach::all, true, true, true, true, false},
      {"super_admin", token({{"role", "super_admin"}})},
      {"platform token", token({{"platform_token", true}})},
      {"tenant_admin", token({{"role", "tenant_admin"}, {"tenant_id", "t1"}}), Reach::own},
      {"partner_admin", token({{"role", "partner_admin"}, {"partner_id", "p1"}}), Reach::own},
      scoped("tenant, read", {{"scope", "webhooks:read"}, {"tenant_id", "t1"}}, Reach::own),
      scoped("tenant, write", {{"scope", "webhooks:write"}, {"tenant_id", "t1"}}, Reach::own),
      scoped("tenant, publish", {{"scope", "events:publish"}, {"tenant_id", "t1"}}, Reach::own),
      scoped("partner, read and write",
             {{"scope", "webhooks:read webhooks:write"}, {"partner_id", "p1"}}, Reach::own),
      scoped("super_admin, read", {{"role", "super_admin"}, {"scope", "webhooks:read"}},
             Reach::all),
      scoped("tenant_admin, publish",
             {{"role", "tenant_admin"}, {"tenant_id", "t1"}, {"scope", "events:publish"}},
             Reach::own),
      scoped("platform token, write", {{"platform_token", true}, {"scope", "webhooks:write"}},
             Reach::all),
  };
}

// What one half of a cell asks for.
struct Resources {
  std::string webhook;
  std::string delivery;
  std::string event;
  Json binding;  // of a body that names it
  std::string query;
};

Resources make_target(ApiFixture& api, const std::string& tenant, const std::string& partner) {
  static int serial = 0;
  const Json binding = {{"tenant_id", tenant}, {"partner_id", partner}};
  Json webhook = webhook_body();
  webhook["name"] = "target " + std::to_string(++serial);
  webhook.update(binding);
  Json event = {{"event_type", "user.created"}, {"data", Json::object()}};
  event.update(binding);
  Resources target{api.create(webhook), "", "", binding,
                   "?tenant_id=" + tenant + "&partner_id=" + partner};
  target.event = api.send("POST", "/api/v1/events", event.dump()).json.at("event_id");
  const Reply deliveries = api.send("GET", kWebhooks + "/" + target.webhook + "/deliveries");
  target.delivery = deliveries.json.at("items").at(0).at("id").dump();
  return target;
}

// How a route tells whose thing is meant.
enum class Names { nothing, by_path, by_query, by_body };

struct Row {
  std::string method;
  std::string pattern;
  Access access;
  Names names;
  int ok;
  Json body = nullptr;
};

std::vector<Row> rows() {
  const std::string one = kWebhooks + "/{webhook_id}";
  const std::string delivery = one + "/deliveries/{delivery_id}";
  const Json event = {{"event_type", "user.created"}, {"data", Json::object()}};
  const Json type = {{"event_type", "order.paid"}};
  return {
      {"GET", kWebhooks, Access::read, Names::by_query, 200},
      {"POST", kWebhooks, Access::write, Names::by_body, 201, webhook_body()},
      {"GET", one, Access::read, Names::by_path, 200},
      {"PATCH", one, Access::write, Names::by_path, 200, {{"description", "new"}}},
      {"DELETE", one, Access::write, Names::by_path, 204},
      {"POST", one + "/rotate-secret", Access::write, Names::by_path, 200},
      {"POST", "/api/v1/events", Access::publish, Names::by_body, 202, event},
      {"GET", "/api/v1/admin/events/{event_id}", Access::read, Names::by_path, 200},
      {"GET", kWebhooks + "/events", Access::read, Names::nothing, 200},
      {"POST", "/api/v1/admin/event-types", Access::super_write, Names::nothing, 201, type},
      {"DELETE", "/api/v1/admin/event-types/{event_type}", Access::super_write, Names::nothing,
       204},
      {"GET", one + "/deliveries", Access::read, Names::by_path, 200},
      {"GET", delivery, Access::read, Names::by_path, 200},
      {"POST", delivery + "/retry", Access::write, Names::by_path, 200},
      {"POST", delivery + "/cancel", Access::write, Names::by_path, 200},
      {"GET", "/api/v1/admin/deliveries", Access::read, Names::by_query, 200},
      {"GET", "/api/v1/admin/deliveries/{delivery_id}", Access::read, Names::by_path, 200},
      {"POST", one + "/test", Access::write, Names::by_path, 200},
      {"GET", one + "/stats", Access::read, Names::by_path, 200},
      {"GET", "/api/v1/admin/status", Access::super_read, Names::nothing, 200},
      {"GET", "/api/v1/admin/audit", Access::super_read, Names::nothing, 200},
      {"POST", "/api/v1/admin/tokens", Access::super_write, Names::nothing, 200},
      {"GET", "/healthz", Access::open, Names::nothing, 200},
      {"GET", "/readyz", Access::open, Names::nothing, 200},
      {"GET", "/api/v1/version", Access::authenticated, Names::nothing, 200},
  };
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

std::string path_of(const Row& row, const Resources& target) {
  std::string path = row.pattern;
  replace(path, "{webhook_id}", target.webhook);
  replace(path, "{delivery_id}", target.delivery);
  replace(path, "{event_id}", target.event);
  replace(path, "{event_type}", "order.removable");
  return path;
}

bool has_verb(const Asking& asking, Access access) {
  switch (access) {
    case Access::open:
    case Access::authenticated:
      return true;
    case Access::read:
      return asking.read;
    case Access::write:
      return asking.write;
    case Access::publish:
      return asking.publish;
    case Access::super_read:
      return asking.reach == Reach::all && asking.read;
    case Access::super_write:
      return asking.reach == Reach::all && asking.write;
  }
  return false;
}

enum class Whose { own, foreign };

// The contract's section 2.5, told once more and in another way.
int expected_status(const Asking& asking, const Row& row, Whose whose) {
  if (row.access == Access::open) return row.ok;
  if (asking.reach == Reach::nobody) return 401;
  if (asking.reach == Reach::without_rights || asking.reach == Reach::stranger) return 403;
  if (!has_verb(asking, row.access)) return 403;
  if (row.pattern == "/api/v1/admin/tokens" && (!asking.socket || asking.narrowed)) return 403;
  if (asking.reach == Reach::all || whose == Whose::own) return row.ok;
  switch (row.names) {
    case Names::nothing:
      return row.ok;
    case Names::by_path:
      return 404;
    case Names::by_query:
    case Names::by_body:
      return 403;
  }
  return 0;
}

Reply ask(ApiFixture& api, const Asking& asking, const Row& row, const Resources& target,
          Whose whose) {
  static int serial = 0;
  Json body = row.body;
  std::string path = path_of(row, target);
  if (whose == Whose::foreign && row.names == Names::by_query) path += target.query;
  if (whose == Whose::foreign && row.names == Names::by_body) body.update(target.binding);
  if (row.ok == 201 && body.contains("url")) body["name"] = "made " + std::to_string(++serial);
  return api.send(row.method, path, body.is_null() ? "" : body.dump(), asking.caller);
}

}  // namespace

TEST_CASE("every route has a row in the matrix") {
  std::set<std::pair<std::string, std::string>> routes;
  for (const auto& of_resource :
       {webhook_routes(), event_routes(), event_type_routes(), delivery_routes(),
        test_send_routes(), stats_routes(), status_routes(), audit_routes(), token_routes(),
        health_routes()}) {
    for (const Route& route : of_resource) {
      routes.emplace(std::string(route.method), std::string(route.pattern));
    }
  }
  std::set<std::pair<std::string, std::string>> covered;
  for (const Row& row : rows()) covered.emplace(row.method, row.pattern);
  CHECK(routes == covered);
}

TEST_CASE("each principal may do on each route exactly what the contract grants") {
  ApiFixture api;
  AttemptResult sent;
  sent.attempt.response_status = 200;
  api.dispatcher.test_result = sent;
  for (const Whose whose : {Whose::own, Whose::foreign}) {
    const auto renew = [&] {
      return whose == Whose::own ? make_target(api, "t1", "p1") : make_target(api, "t2", "p2");
    };
    Resources target = renew();
    for (const Asking& asking : all_asking(api)) {
      for (const Row& row : rows()) {
        if (row.pattern.find("{event_type}") != std::string::npos) {
          api.send("POST", "/api/v1/admin/event-types", R"({"event_type":"order.removable"})");
        }
        const Reply reply = ask(api, asking, row, target, whose);
        INFO(asking.name << ": " << row.method << " " << row.pattern << ", "
                         << (whose == Whose::own ? "own" : "foreign"));
        INFO(reply.response.body);
        CHECK(reply.status == expected_status(asking, row, whose));
        if (reply.status == 401) CHECK(reply.header("WWW-Authenticate").starts_with("Bearer"));
        const bool changed = row.method != "GET" && row.names == Names::by_path;
        if (changed && reply.status < 300) target = renew();
      }
    }
  }
}

TEST_CASE("a bound principal's lists show its own alone") {
  ApiFixture api;
  const Resources own = make_target(api, "t1", "p1");
  const Resources sibling = make_target(api, "t3", "p1");
  const Resources foreign = make_target(api, "t2", "p2");
  api.create({{"url", "https://all.example"}, {"events", {"*"}}});
  const auto seen = [&](const Caller& caller, const std::string& path) {
    std::set<std::string> ids;
    const Reply reply = api.send("GET", path, "", caller);
    const char* const key = path == kWebhooks ? "id" : "webhook_id";
    for (const Json& item : reply.json.at("items")) ids.insert(item.at(key));
    CHECK(reply.json.at("total").get<std::size_t>() == ids.size());
    return ids;
  };
  const Caller tenant = api.bearer({{"role", "tenant_admin"}, {"tenant_id", "t1"}});
  const Caller partner = api.bearer({{"role", "partner_admin"}, {"partner_id", "p1"}});
  CHECK(seen(tenant, kWebhooks) == std::set{own.webhook});
  CHECK(seen(partner, kWebhooks) == std::set{own.webhook, sibling.webhook});
  CHECK(seen(root(), kWebhooks).size() == 4);
  CHECK(seen(tenant, "/api/v1/admin/deliveries") == std::set{own.webhook});
  CHECK(seen(partner, "/api/v1/admin/deliveries") == std::set{own.webhook, sibling.webhook});
  CHECK(seen(partner, kWebhooks).contains(foreign.webhook) == false);
}

TEST_CASE("what a bound principal makes takes its tenant and partner when the body is silent") {
  ApiFixture api;
  const Caller tenant =
      api.bearer({{"role", "tenant_admin"}, {"tenant_id", "t1"}, {"partner_id", "p1"}});
  const Reply created = api.send("POST", kWebhooks, webhook_body().dump(), tenant);
  CHECK(created.json["tenant_id"] == "t1");
  CHECK(created.json["partner_id"] == "p1");
  const Caller partner = api.bearer({{"role", "partner_admin"}, {"partner_id", "p1"}});
  Json body = webhook_body();
  body["tenant_id"] = "t9";
  const Reply of_tenant = api.send("POST", kWebhooks, body.dump(), partner);
  CHECK(of_tenant.json["tenant_id"] == "t9");
  CHECK(of_tenant.json["partner_id"] == "p1");
  const Reply published =
      api.send("POST", "/api/v1/events", R"({"event_type":"user.created","data":{}})", partner);
  const Reply event =
      api.send("GET", "/api/v1/admin/events/" + published.json["event_id"].get<std::string>());
  CHECK(event.json["partner_id"] == "p1");
  CHECK(event.json["tenant_id"] == nullptr);
}

TEST_CASE("a bound principal can neither name another's nor null its own") {
  ApiFixture api;
  const Caller tenant = api.bearer({{"role", "tenant_admin"}, {"tenant_id", "t1"}});
  const Caller partner = api.bearer({{"role", "partner_admin"}, {"partner_id", "p1"}});
  const auto create_as = [&](const Caller& caller, const Json& more) {
    Json body = webhook_body();
    body.update(more);
    return api.send("POST", kWebhooks, body.dump(), caller).status;
  };
  CHECK(create_as(tenant, {{"tenant_id", nullptr}}) == 403);
  CHECK(create_as(tenant, {{"tenant_id", "t2"}}) == 403);
  CHECK(create_as(tenant, {{"partner_id", "p2"}}) == 403);
  CHECK(create_as(partner, {{"partner_id", nullptr}}) == 403);
  CHECK(create_as(tenant, {{"tenant_id", "t1"}, {"partner_id", nullptr}}) == 201);

  const Resources own = make_target(api, "t1", "p1");
  const auto patch_as = [&](const Caller& caller, const Json& body) {
    return api.send("PATCH", kWebhooks + "/" + own.webhook, body.dump(), caller).status;
  };
  CHECK(patch_as(tenant, {{"tenant_id", "t2"}}) == 403);
  CHECK(patch_as(tenant, {{"tenant_id", nullptr}}) == 403);
  CHECK(patch_as(partner, {{"tenant_id", "t7"}}) == 403);
  CHECK(patch_as(tenant, {{"tenant_id", "t1"}, {"description", "same"}}) == 200);
  CHECK(patch_as(root(), {{"tenant_id", "t2"}, {"partner_id", nullptr}}) == 200);
  CHECK(patch_as(tenant, {{"description", "gone"}}) == 404);
}

}  // namespace webhookd
