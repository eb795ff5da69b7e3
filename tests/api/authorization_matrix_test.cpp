// Every principal on every route, on what is its own and on what is another's.

#include <catch2/catch.hpp>
#include <set>
#include <utility>

#include "api/authorization_table.h"
#include "api/handler.h"

namespace webhookd {
namespace {

const Binding kOwn{"t1", "p1"};
const Binding kOfAnotherPartner{"t1", "p2"};
const Binding kOfAnotherTenant{"t2", "p1"};
const Binding kForeign{"t2", "p2"};

ApiOptions with_admin_group() {
  ApiOptions options;
  options.admin_group = "root";
  return options;
}

// All that a request at a cell could have changed.
std::vector<std::string> state_of(ApiFixture& api, const Thing& thing) {
  std::vector<std::string> state;
  const std::string webhook = kWebhooks + "/" + thing.webhook;
  for (const std::string& path :
       {webhook, webhook + "/deliveries", "/api/v1/admin/deliveries/" + thing.delivery,
        kWebhooks + "?per_page=1", std::string("/api/v1/admin/deliveries?per_page=1"),
        kWebhooks + "/events", std::string("/api/v1/admin/audit?per_page=1")}) {
    state.push_back(api.send("GET", path).response.body);
  }
  const FakeDispatcher& told = api.dispatcher;
  for (const std::size_t count : {told.tests.size(), told.notified.size(), told.refreshed.size()}) {
    state.push_back(std::to_string(count));
  }
  return state;
}

bool changes_thing(const RouteRow& row) {
  return row.method != "GET" && row.names == NamedBy::by_path;
}

// One cell: the status, and that what is refused has changed nothing. Whether it was granted.
bool check_cell(ApiFixture& api, const Asking& asking, const RouteRow& row, const Thing& thing,
                Naming naming, int expected) {
  if (row.pattern.find("{event_type}") != std::string::npos) {
    api.send("POST", "/api/v1/admin/event-types", R"({"event_type":"order.removable"})");
  }
  const bool may_change_nothing = row.method != "GET" && expected >= 400;
  const auto before = may_change_nothing ? state_of(api, thing) : std::vector<std::string>{};
  const Reply reply = ask(api, asking, row, thing, naming);
  INFO(asking.name << ": " << row.method << " " << row.pattern << ", " << thing.name);
  INFO(reply.response.body);
  CHECK(reply.status == expected);
  if (reply.status == 401) CHECK(reply.header("WWW-Authenticate").starts_with("Bearer"));
  if (may_change_nothing) CHECK(state_of(api, thing) == before);
  return reply.status < 300;
}

void check_matrix(const std::string& name, const Binding& binding, Naming naming) {
  ApiFixture api(with_admin_group());
  AttemptResult sent;
  sent.attempt.response_status = 200;
  api.dispatcher.test_result = sent;
  Thing thing = make_thing(api, name, binding);
  for (const Asking& asking : all_asking(api)) {
    for (const RouteRow& row : rows()) {
      const int expected = expected_status(asking, row, thing, naming);
      const bool granted = check_cell(api, asking, row, thing, naming, expected);
      if (granted && changes_thing(row)) thing = make_thing(api, name, binding);
    }
  }
}

}  // namespace

TEST_CASE("every route has a row in the matrix") {
  std::set<std::pair<std::string, std::string>> routes;
  for (const Route& route : all_routes()) {
    routes.emplace(std::string(route.method), std::string(route.pattern));
  }
  std::set<std::pair<std::string, std::string>> covered;
  for (const RouteRow& row : rows()) covered.emplace(row.method, row.pattern);
  CHECK(routes == covered);
}

TEST_CASE("each principal may do on each route exactly what the contract grants") {
  SECTION("its own, unnamed") { check_matrix("its own, unnamed", kOwn, Naming::silent); }
  SECTION("its own") { check_matrix("its own", kOwn, Naming::named); }
  SECTION("its tenant's") { check_matrix("its tenant's", kOfAnotherPartner, Naming::named); }
  SECTION("its partner's") { check_matrix("its partner's", kOfAnotherTenant, Naming::named); }
  SECTION("foreign") { check_matrix("foreign", kForeign, Naming::named); }
  SECTION("nobody's") { check_matrix("nobody's", {}, Naming::named); }
}

TEST_CASE("a delivery is found under its own webhook alone") {
  ApiFixture api(with_admin_group());
  Thing mixed = make_thing(api, "a foreign delivery under an own webhook", kOwn);
  mixed.delivery = make_thing(api, "foreign", kForeign).delivery;
  for (const Asking& asking : all_asking(api)) {
    for (const RouteRow& row : rows()) {
      if (row.pattern.find("{webhook_id}/deliveries/{delivery_id}") == std::string::npos) continue;
      const int by_webhook = expected_status(asking, row, mixed, Naming::silent);
      check_cell(api, asking, row, mixed, Naming::silent, by_webhook == row.ok ? 404 : by_webhook);
    }
  }
}

TEST_CASE("a bound principal's lists show its own alone") {
  ApiFixture api;
  const Thing own = make_thing(api, "own", kOwn);
  const Thing of_partner = make_thing(api, "its partner's", kOfAnotherTenant);
  const Thing of_tenant = make_thing(api, "its tenant's", kOfAnotherPartner);
  make_thing(api, "foreign", kForeign);
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
  const Caller both =
      api.bearer({{"scope", "webhooks:read"}, {"tenant_id", "t1"}, {"partner_id", "p1"}});
  for (const std::string& path : {kWebhooks, std::string("/api/v1/admin/deliveries")}) {
    CHECK(seen(tenant, path) == std::set{own.webhook, of_tenant.webhook});
    CHECK(seen(partner, path) == std::set{own.webhook, of_partner.webhook});
    CHECK(seen(both, path) == std::set{own.webhook});
  }
  CHECK(seen(root(), kWebhooks).size() == 5);
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

  const Thing own = make_thing(api, "own", kOwn);
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
