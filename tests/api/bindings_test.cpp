// What belongs to whom when tenants change, ids meet and tokens carry anything.

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

const std::string kEvents = "/api/v1/admin/events/";

Caller tenant_admin(const ApiFixture& api, const std::string& tenant) {
  return api.bearer({{"role", "tenant_admin"}, {"tenant_id", tenant}});
}

void publish(ApiFixture& api, const std::string& id, const Json& tenant) {
  const Json event = {{"event_type", "user.created"},
                      {"event_id", id},
                      {"data", {{"a", 1}}},
                      {"tenant_id", tenant}};
  REQUIRE(api.send("POST", "/api/v1/events", event.dump()).status == 202);
}

}  // namespace

TEST_CASE("who is given a webhook does not get the history of the tenant before") {
  ApiFixture api;
  Json body = webhook_body();
  body["tenant_id"] = "old";
  body["status"] = "paused";
  const std::string id = api.create(body);
  publish(api, "evt_old", "old");
  REQUIRE(api.send("PATCH", kWebhooks + "/" + id, R"({"tenant_id":"new"})").status == 200);
  publish(api, "evt_new", "new");

  const std::string deliveries = kWebhooks + "/" + id + "/deliveries";
  const Caller now = tenant_admin(api, "new");
  const Reply list = api.send("GET", deliveries, "", now);
  REQUIRE(list.json["items"].size() == 1);
  CHECK(list.json["items"][0]["event_id"] == "evt_new");
  CHECK(api.send("GET", deliveries + "/1", "", now).status == 404);
  CHECK(api.send("GET", "/api/v1/admin/deliveries/1", "", now).status == 404);
  CHECK(api.send("GET", deliveries + "/1").json["status"] == "cancelled");
  CHECK(api.send("POST", deliveries + "/1/retry", "").status == 409);
}

TEST_CASE("of several events with one id that without a tenant can be named") {
  ApiFixture api;
  publish(api, "evt_1", nullptr);
  publish(api, "evt_1", "t1");
  CHECK(api.send("GET", kEvents + "evt_1").status == 409);
  CHECK(api.send("GET", kEvents + "evt_1?tenant_id=t1").json["tenant_id"] == "t1");
  const Reply unbound = api.send("GET", kEvents + "evt_1?tenant_id=");
  CHECK(unbound.status == 200);
  CHECK(unbound.json["tenant_id"].is_null());
}

TEST_CASE("a token's ids are as strict as a body's") {
  ApiFixture api;
  for (const std::string& id :
       {std::string("a\nb"), std::string("a\0b", 3), std::string(300, 'x')}) {
    CHECK(api.send("GET", kWebhooks, "", tenant_admin(api, id)).status == 403);
  }
  CHECK(api.send("GET", kWebhooks, "", tenant_admin(api, std::string(255, 'x'))).status == 200);
}

TEST_CASE("an id claim that cannot be read gives no rights instead of wider ones") {
  ApiFixture api;
  for (const Json& id : {Json(123), Json(""), Json(true), Json::array({"t1"}), Json::object()}) {
    INFO(id);
    for (const Json& claims :
         {Json{{"scope", "webhooks:read"}, {"tenant_id", id}, {"partner_id", "p1"}},
          Json{{"role", "tenant_admin"}, {"tenant_id", "t1"}, {"partner_id", id}},
          Json{{"role", "partner_admin"}, {"tenant_id", id}, {"partner_id", "p1"}}}) {
      CHECK(api.send("GET", kWebhooks, "", api.bearer(claims)).status == 403);
    }
    // Nothing is wider than all.
    const Json all = {{"role", "super_admin"}, {"tenant_id", id}};
    CHECK(api.send("GET", kWebhooks, "", api.bearer(all)).status == 200);
  }
  const Json null_tenant = {
      {"role", "partner_admin"}, {"partner_id", "p1"}, {"tenant_id", nullptr}};
  CHECK(api.send("GET", kWebhooks, "", api.bearer(null_tenant)).status == 200);
}

TEST_CASE("platform_token true is enough, whatever the role beside it") {
  ApiFixture api;
  for (const Json& role : {Json("king"), Json("tenant_admin"), Json(7)}) {
    INFO(role);
    const Caller platform = api.bearer({{"role", role}, {"platform_token", true}});
    CHECK(api.send("GET", "/api/v1/admin/status", "", platform).status == 200);
  }
}

TEST_CASE("an empty tenant or partner in a query asks for what has none") {
  ApiFixture api;
  Json body = webhook_body();
  body["name"] = "free";
  api.create(body);
  body["name"] = "tenant's";
  body["tenant_id"] = "t1";
  api.create(body);
  body["name"] = "both's";
  body["partner_id"] = "p1";
  api.create(body);
  const auto names = [&](const std::string& query, const Caller& caller) {
    std::vector<std::string> found;
    const Reply list = api.send("GET", kWebhooks + query, "", caller);
    for (const Json& webhook : list.json["items"]) found.push_back(webhook["name"]);
    return found;
  };
  using Names = std::vector<std::string>;
  CHECK(names("?tenant_id=", root()) == Names{"free"});
  CHECK(names("?partner_id=", root()) == Names{"free", "tenant's"});
  CHECK(names("?tenant_id=t1&partner_id=", root()) == Names{"tenant's"});
  const Caller partner = api.bearer({{"role", "partner_admin"}, {"partner_id", "p1"}});
  CHECK(names("?tenant_id=", partner).empty());
  CHECK(api.send("GET", kWebhooks + "?tenant_id=", "", tenant_admin(api, "t1")).status == 403);
}

TEST_CASE("a token that is made is in the audit log, by what it can do and not by itself") {
  ApiFixture api;
  const Json asked = {{"role", "tenant_admin"}, {"tenant_id", "t1"}, {"ttl_seconds", 60}};
  const Reply made = api.send("POST", "/api/v1/admin/tokens", asked.dump());
  REQUIRE(made.status == 200);
  const Reply audit = api.send("GET", "/api/v1/admin/audit");
  REQUIRE(audit.json["items"].size() == 1);
  const Json& entry = audit.json["items"][0];
  CHECK(entry["action"] == "token.create");
  CHECK(entry["actor"] == "uid:0");
  CHECK(entry["request_id"] == "req-1");
  CHECK(entry["detail"] == Json{{"role", "tenant_admin"},
                                {"tenant_id", "t1"},
                                {"partner_id", nullptr},
                                {"scope", nullptr},
                                {"ttl_seconds", 60}});
  const std::string token = made.json["token"];
  CHECK(audit.response.body.find(token.substr(token.rfind('.'))) == std::string::npos);
  REQUIRE(api.send("POST", "/api/v1/admin/tokens", R"({"role":"king"})").status == 422);
  CHECK(api.send("GET", "/api/v1/admin/audit").json["items"].size() == 1);
}

TEST_CASE("headers with the daemon's own prefix cannot be added, whatever it is") {
  ApiOptions options;
  options.header_prefix = "X-Acme";
  ApiFixture api(options);
  Json body = webhook_body();
  body["headers"] = {{"x-acme-signature", "forged"}};
  CHECK(api.send("POST", kWebhooks, body.dump()).fault_types() ==
        std::vector<std::string>{"value_error"});
}

TEST_CASE("an event may be smaller than what else is sent") {
  ApiOptions options;
  options.max_event_bytes = 200;
  ApiFixture api(options);
  Json body = webhook_body();
  body["description"] = std::string(400, 'x');
  api.create(body);
  const Json event = {{"event_type", "user.created"}, {"data", {{"a", std::string(200, 'x')}}}};
  CHECK(api.send("POST", "/api/v1/events", event.dump()).status == 413);
}

}  // namespace webhookd
