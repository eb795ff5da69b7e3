// Which event types may be added.

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {

TEST_CASE("a schema that would not be enforced as a whole is not taken on") {
  ApiFixture api;
  const auto types_of = [&](const Json& schema) {
    const Json type = {{"event_type", "order.paid"}, {"schema", schema}};
    return api.send("POST", "/api/v1/admin/event-types", type.dump());
  };
  for (const char* keyword :
       {"dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems",
        "prefixItems", "minContains", "maxContains", "$dynamicRef"}) {
    INFO(keyword);
    const Json schema = {{"properties", {{"n", {{keyword, 1}}}}}};
    const Reply reply = types_of(schema);
    CHECK(reply.fault_types() == std::vector<std::string>{"value_error"});
    CHECK_THAT(reply.response.body, Catch::Contains(keyword));
  }
  const Json fine = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                     {"properties", {{"minContains", {{"const", {{"prefixItems", 1}}}}}}}};
  CHECK(types_of(fine).status == 201);
}

TEST_CASE("a schema of a later draft is taken on where it means the same") {
  ApiFixture api;
  int serial = 0;
  const auto status_of = [&](const char* draft, const Json& name) {
    const Json type = {{"event_type", "order.paid" + std::to_string(++serial)},
                       {"schema",
                        {{"$schema", draft},
                         {"$defs", {{"text", {{"type", "string"}}}}},
                         {"properties", {{"name", name}}}}}};
    return api.send("POST", "/api/v1/admin/event-types", type.dump()).status;
  };
  const Json reference = {{"$ref", "#/$defs/text"}, {"description", "Who."}};
  const Json bounded = {{"$ref", "#/$defs/text"}, {"maxLength", 3}};
  for (const char* draft : {"https://json-schema.org/draft/2020-12/schema",
                            "https://json-schema.org/draft/2019-09/schema"}) {
    CHECK(status_of(draft, {{"type", "string"}}) == 201);
    CHECK(status_of(draft, reference) == 201);
    CHECK(status_of(draft, bounded) == 422);
  }
  CHECK(status_of("http://json-schema.org/draft-07/schema#", bounded) == 201);
}

}  // namespace webhookd
