// Which secrets a caller may choose.

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {

TEST_CASE("a secret of the wrong length is told by its characters") {
  ApiFixture api;
  const auto fault_of = [&](const std::string& secret) {
    Json body = webhook_body();
    body["secret"] = secret;
    Json fault = api.send("POST", kWebhooks, body.dump()).json["detail"][0];
    CHECK(fault["input"] == "***");
    return fault;
  };
  CHECK(fault_of(std::string(15, 'x'))["type"] == "string_too_short");
  CHECK(fault_of(std::string(15, 'x'))["ctx"] == Json{{"min_length", 16}});
  CHECK(fault_of("whsec_")["type"] == "string_too_short");
  CHECK(fault_of(std::string(257, 'x'))["type"] == "string_too_long");
  CHECK(fault_of(std::string(257, 'x'))["ctx"] == Json{{"max_length", 256}});
  CHECK(fault_of("whsec_" + std::string(20, 'x'))["type"] == "value_error");
  CHECK(fault_of("zero\u200bwidth space inside")["type"] == "value_error");
}

TEST_CASE("a secret may be of any script, and its hint is its last four characters") {
  ApiFixture api;
  Json body = webhook_body();
  body["secret"] = "ключ-для-подписи";
  const Reply reply = api.send("POST", kWebhooks, body.dump());
  REQUIRE(reply.status == 201);
  CHECK(reply.json["secret"] == body["secret"]);
  CHECK(reply.json["secret_hint"] == "писи");
  const WebhookId id{reply.json["id"].get<std::string>()};
  CHECK(api.store->endpoint(id).value().secret.value == "ключ-для-подписи");
}

}  // namespace webhookd
