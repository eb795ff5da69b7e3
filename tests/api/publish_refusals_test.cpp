// Which publications are refused, and how they are told so.

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

const std::string kPublish = "/api/v1/events";

Json event_body(const std::string& type) { return {{"event_type", type}, {"data", {{"n", 1}}}}; }

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

}  // namespace webhookd
