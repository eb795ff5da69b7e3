// Which publications are refused, and how they are told so.

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

const std::string kPublish = "/api/v1/events";
const std::string kTypes = "/api/v1/admin/event-types";

Json event_body(const std::string& type) { return {{"event_type", type}, {"data", {{"n", 1}}}}; }

void add_type(ApiFixture& api, const Json& schema) {
  const Json type = {{"event_type", "order.paid"}, {"schema", schema}};
  REQUIRE(api.send("POST", kTypes, type.dump()).status == 201);
}

void remove_type(ApiFixture& api) {
  REQUIRE(api.send("DELETE", kTypes + "/order.paid").status == 204);
}

}  // namespace

TEST_CASE("an unknown event type hears the nearest one that can be published") {
  ApiFixture api;
  const auto says = [&](const std::string& type) {
    const Reply reply = api.send("POST", kPublish, event_body(type).dump());
    CHECK(reply.fault_types() == std::vector<std::string>{"value_error"});
    return reply.response.body;
  };
  CHECK_THAT(says("user.creatd"),
             Catch::Contains("unknown event type; did you mean 'user.created'?"));
  CHECK_THAT(says("User.Created"),
             Catch::Contains("at most 100 characters; did you mean 'user.created'?"));
  CHECK_THAT(says("login_failed"), Catch::Contains("did you mean 'auth.login_failed'?"));
  CHECK_THAT(says("foo.bar"), Catch::Contains("unknown event type; did you mean '"));
  CHECK_THAT(says("webhok.test"), !Catch::Contains("'webhook."));
  CHECK_THAT(says(std::string(300, 'x')), !Catch::Contains("did you mean"));
}

TEST_CASE("a test of an unknown type hears the nearest one") {
  ApiFixture api;
  const Reply reply = api.send("POST", kWebhooks + "/" + api.create() + "/test",
                               R"({"event_type":"Webhook.Tset"})");
  CHECK_THAT(reply.response.body, Catch::Contains("did you mean 'webhook.test'?"));
}

TEST_CASE("a resource or actor that is no object is told as a model is") {
  ApiFixture api;
  for (const char* field : {"resource", "actor"}) {
    Json body = event_body("user.created");
    body[field] = "user";
    const Reply reply = api.send("POST", kPublish, body.dump());
    CHECK(reply.json["detail"][0]["type"] == "model_attributes_type");
    CHECK(reply.json["detail"][0]["msg"] ==
          "Input should be a valid dictionary or object to extract fields from");
  }
  Json body = event_body("user.created");
  body["data"] = "user";
  CHECK(api.send("POST", kPublish, body.dump()).fault_types() ==
        std::vector<std::string>{"dict_type"});
}

TEST_CASE("a resource of many members is told which are missing and which are too many") {
  ApiFixture api;
  Json body = event_body("user.created");
  for (int i = 0; i < 11; ++i) body["resource"]["m" + std::to_string(i)] = i;
  std::vector<std::string> expected(2, "missing");
  expected.resize(13, "extra_forbidden");
  CHECK(api.send("POST", kPublish, body.dump()).fault_types() == expected);
}

TEST_CASE("an event is a duplicate even when its type is no longer known") {
  ApiFixture api;
  add_type(api, nullptr);
  Json body = event_body("order.paid");
  body["event_id"] = "evt_1";
  REQUIRE(api.send("POST", kPublish, body.dump()).status == 202);
  remove_type(api);

  const Reply again = api.send("POST", kPublish, body.dump());
  CHECK(again.status == 200);
  CHECK(again.json["duplicate"] == true);
  CHECK(again.json["event_id"] == "evt_1");

  Json other = body;
  other["data"]["n"] = 2;
  CHECK(api.send("POST", kPublish, other.dump()).status == 409);

  other["surprise"] = 1;
  CHECK(api.send("POST", kPublish, other.dump()).fault_types() ==
        std::vector<std::string>{"value_error", "extra_forbidden"});
}

TEST_CASE("an event is a duplicate even when its schema has become stricter") {
  ApiFixture api;
  add_type(api, nullptr);
  Json body = event_body("order.paid");
  body["event_id"] = "evt_1";
  body["tenant_id"] = "t1";
  REQUIRE(api.send("POST", kPublish, body.dump()).status == 202);
  remove_type(api);
  add_type(api, {{"required", {"m"}}});
  CHECK(api.send("POST", kPublish, body.dump()).status == 200);
  body["tenant_id"] = "t2";
  CHECK(api.send("POST", kPublish, body.dump()).status == 422);
}

TEST_CASE("an event that the catalogue refuses is stored by no repetition") {
  ApiFixture api;
  Json body = event_body("order.paid");
  CHECK(api.send("POST", kPublish, body.dump()).status == 422);
  body["event_id"] = "evt_1";
  for (int i = 0; i < 2; ++i) CHECK(api.send("POST", kPublish, body.dump()).status == 422);
  CHECK(api.send("GET", "/api/v1/admin/events/evt_1").status == 404);
  CHECK(api.dispatcher.notified.empty());
}

}  // namespace webhookd
