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
  for (const char* draft : {"https://json-schema.org/draft/2020-12/schema",
                            "https://json-schema.org/draft/2019-09/schema"}) {
    CHECK(types_of({{"$schema", draft}}).status == 422);
  }
  const Json fine = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                     {"properties", {{"minContains", {{"const", {{"prefixItems", 1}}}}}}}};
  CHECK(types_of(fine).status == 201);
}

}  // namespace webhookd
