// What an event type's schema accepts, refuses, and may cost.

#include "api/event_schema.h"

#include <catch2/catch.hpp>
#include <string>

namespace webhookd::test {
namespace {

bool accepts(const std::string& schema, const std::string& document) {
  Faults faults;
  EventSchema(schema).check(document, {std::string("body"), std::string("data")}, faults);
  try {
    faults.check();
    return true;
  } catch (const ValidationError&) {
    return false;
  }
}

std::string property(const std::string& schema) { return R"({"properties":{"x":)" + schema + "}}"; }

}  // namespace

TEST_CASE("a pattern is held against any string, at once, whoever wrote it") {
  const std::string schema = property(R"({"type":"string","pattern":"^([a-zA-Z0-9._-]+)*@x$"})");
  CHECK(accepts(schema, R"({"x":"a.b@x"})"));
  CHECK_FALSE(accepts(schema, "{\"x\":\"" + std::string(100'000, 'a') + "\"}"));
  CHECK_FALSE(accepts(property(R"({"pattern":"^a+$"})"), R"({"x":"b"})"));
  CHECK(accepts(property(R"({"pattern":"^a+$"})"), R"({"x":5})"));
}

TEST_CASE("what looks like a pattern and is none is left alone") {
  CHECK(accepts(property(R"j({"const":{"pattern":"("}})j"), R"j({"x":{"pattern":"("}})j"));
  CHECK_FALSE(accepts(property(R"j({"const":{"pattern":"("}})j"), R"j({"x":{"pattern":")"}})j"));
  CHECK_FALSE(accepts(R"({"properties":{"pattern":{"type":"string"}}})", R"({"pattern":1})"));
}

TEST_CASE("a schema that could not be applied in bounded time is refused") {
  CHECK_THROWS_AS(EventSchema(property(R"j({"pattern":"("})j")), std::invalid_argument);
  CHECK_THROWS_AS(EventSchema(R"({"patternProperties":{"^a":{}}})"), std::invalid_argument);
  CHECK_THROWS_AS(EventSchema(R"({"$ref":"#/definitions/a","definitions":{"a":)"
                              R"({"$ref":"#/definitions/a"}}})"),
                  std::invalid_argument);
  std::string definitions;
  for (int i = 0; i < 41; ++i) {
    const std::string next = R"({"$ref":"#/definitions/d)" + std::to_string(i + 1) + R"("})";
    definitions += "\"d" + std::to_string(i) + R"(":{"allOf":[)" + next + "," + next + "]},";
  }
  CHECK_THROWS_AS(
      EventSchema(R"({"$ref":"#/definitions/d0","definitions":{)" + definitions + R"("d41":{}}})"),
      std::invalid_argument);
}

TEST_CASE("a whole number is an integer however it is written") {
  const std::string schema = property(R"({"type":"integer","minimum":0})");
  for (const char* number :
       {"0", "1.0", "1e3", "18446744073709551616", "123456789012345678901234567890", "1e300"}) {
    CAPTURE(number);
    CHECK(accepts(schema, std::string(R"({"x":)") + number + "}"));
  }
  for (const char* number : {"0.5", "-1.0", "-123456789012345678901234567890", "1e-3"}) {
    CAPTURE(number);
    CHECK_FALSE(accepts(schema, std::string(R"({"x":)") + number + "}"));
  }
}

}  // namespace webhookd::test
