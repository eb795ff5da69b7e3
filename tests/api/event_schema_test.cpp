// What an event type's schema accepts, refuses, and may cost.

#include "api/event_schema.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

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

// "loc: msg" of each fault, and "= input".
std::vector<std::string> faults_of(const std::string& schema, const std::string& document) {
  Faults faults;
  EventSchema(schema).check(document, {std::string("data")}, faults);
  std::vector<std::string> told;
  try {
    faults.check();
  } catch (const ValidationError& error) {
    for (const Fault& fault : error.faults()) {
      std::string where;
      for (const LocPart& part : fault.loc) {
        const auto* name = std::get_if<std::string>(&part);
        where += "/" + (name != nullptr ? *name : std::to_string(std::get<std::int64_t>(part)));
      }
      told.push_back(where + ": " + fault.msg.substr(fault.msg.rfind(": ") + 2) + " = " +
                     fault.input);
    }
  }
  return told;
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

TEST_CASE("multiples are counted in decimal") {
  const auto is_multiple_of = [](const char* unit, const char* number) {
    return accepts(property(std::string(R"({"multipleOf":)") + unit + "}"),
                   std::string(R"({"x":)") + number + "}");
  };
  for (const auto& [unit, number] :
       std::vector<std::pair<const char*, const char*>>{{"0.01", "19.99"},
                                                        {"0.01", "4.35"},
                                                        {"0.01", "-0.07"},
                                                        {"0.01", "0"},
                                                        {"0.01", "1e300"},
                                                        {"0.1", "0.30"},
                                                        {"0.0001", "0.0075"},
                                                        {"1e-8", "12.00000001"},
                                                        {"2.5", "7.5"},
                                                        {"3", "9"},
                                                        {"3", "9.0"},
                                                        {"7", "9223372036854775800"},
                                                        {"1e3", "5000"},
                                                        {"10", "123456789012345678901234567890"},
                                                        {"0.125", "1"}}) {
    INFO(number << " of " << unit);
    CHECK(is_multiple_of(unit, number));
  }
  for (const auto& [unit, number] :
       std::vector<std::pair<const char*, const char*>>{{"0.01", "19.995"},
                                                        {"0.01", "1e-3"},
                                                        {"0.3", "1"},
                                                        {"3", "10"},
                                                        {"3", "9.5"},
                                                        {"1e3", "5001"},
                                                        {"7", "9223372036854775805"},
                                                        {"0.03", "0.1"},
                                                        {"0.01", "1e-300"}}) {
    INFO(number << " of " << unit);
    CHECK_FALSE(is_multiple_of(unit, number));
  }
  CHECK(is_multiple_of("0.01", "\"text\""));
  CHECK_THROWS_AS(EventSchema(property(R"({"multipleOf":0})")), std::invalid_argument);
  CHECK_THROWS_AS(EventSchema(property(R"({"multipleOf":"1"})")), std::invalid_argument);
  CHECK(accepts(R"({"properties":{"multipleOf":{"type":"string"},"patternProperties":{}}})",
                R"({"multipleOf":"x"})"));
}

TEST_CASE("each fault of a document is told once, where it is, with its digits") {
  using Told = std::vector<std::string>;
  const std::string schema =
      R"({"required":["id"],"properties":{"n":{"type":"number","minimum":1.5,"multipleOf":0.01},)"
      R"("list":{"items":{"properties":{"a":{"type":"string"}}}},"no":false}})";
  CHECK(faults_of(schema, R"({"id":1,"n":0.10})") ==
        Told{"/data/n: Expected number greater than or equal to 1.5 = 0.10"});
  CHECK(faults_of(schema, R"({"id":1,"n":2.005})") ==
        Told{"/data/n: Value should be a multiple of 0.01. = 2.005"});
  CHECK(faults_of(schema, R"({"id":1,"list":[{},{"a":123456789012345678901234567890}]})") ==
        Told{"/data/list/1/a: Value type not permitted by 'type' constraint."
             " = 123456789012345678901234567890"});
  CHECK(faults_of(schema, R"({"n":"x"})") ==
        Told{"/data/n: Value type not permitted by 'type' constraint. = \"x\"",
             R"(/data: Missing required property 'id'. = {"n":"x"})"});
  CHECK(faults_of(R"({"properties":{"n":{"maximum":10}}})", R"({"n":11})") ==
        Told{"/data/n: Expected number less than or equal to 10 = 11"});
  CHECK(faults_of(schema, R"({"id":1,"n":"x","no":1})").size() == 2);
  CHECK(faults_of(R"({"properties":{"n":{"allOf":[{"minimum":1},{"maximum":10}]}}})",
                  R"({"n":11})") == Told{"/data/n: Expected number less than or equal to 10 = 11"});
}

TEST_CASE("a whole number is an integer however it is written") {
  const std::string schema = property(R"({"type":"integer","minimum":0})");
  for (const char* number : {"0", "1.0", "1e3", "18446744073709551615", "18446744073709551616",
                             "123456789012345678901234567890", "1e300"}) {
    CAPTURE(number);
    CHECK(accepts(schema, std::string(R"({"x":)") + number + "}"));
  }
  for (const char* number : {"0.5", "-1.0", "-123456789012345678901234567890", "1e-3"}) {
    CAPTURE(number);
    CHECK_FALSE(accepts(schema, std::string(R"({"x":)") + number + "}"));
  }
}

}  // namespace webhookd::test
