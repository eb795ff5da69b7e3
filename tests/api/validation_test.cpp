// The contract's table of 422s, row by row, to the letter.

#include <algorithm>
#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

std::string create_with(ApiFixture& api, const Json& more) {
  Json body = webhook_body();
  body.update(more);
  const Reply reply = api.send("POST", kWebhooks, body.dump());
  CHECK(reply.status == 422);
  return reply.response.body;
}

std::string detail(const std::string& fault) { return R"({"detail":[)" + fault + "]}"; }

}  // namespace

TEST_CASE("a required field that is absent is reported with the object around it") {
  ApiFixture api;
  const Reply reply = api.send("POST", kWebhooks, R"({"events":["*"]})");
  CHECK(reply.status == 422);
  CHECK(reply.response.body ==
        detail(R"({"type":"missing","loc":["body","url"],"msg":"Field required",)"
               R"("input":{"events":["*"]}})"));
}

TEST_CASE("an empty body where one is needed is a missing body") {
  ApiFixture api;
  const Reply reply = api.send("POST", kWebhooks);
  CHECK(reply.status == 422);
  CHECK(reply.response.body ==
        detail(R"({"type":"missing","loc":["body"],"msg":"Field required","input":null})"));
  CHECK(api.send("POST", kWebhooks, "null").response.body == reply.response.body);
}

TEST_CASE("a value of the wrong type is named by the type that is wanted") {
  ApiFixture api;
  CHECK(create_with(api, {{"name", 5}}) ==
        detail(R"({"type":"string_type","loc":["body","name"],)"
               R"("msg":"Input should be a valid string","input":5})"));
  CHECK(create_with(api, {{"timeout_seconds", "15"}}) ==
        detail(R"({"type":"int_type","loc":["body","timeout_seconds"],)"
               R"("msg":"Input should be a valid integer","input":"15"})"));
  CHECK(create_with(api, {{"timeout_seconds", true}}) ==
        detail(R"({"type":"int_type","loc":["body","timeout_seconds"],)"
               R"("msg":"Input should be a valid integer","input":true})"));
  CHECK(create_with(api, {{"rate_limit_per_second", "1"}}) ==
        detail(R"({"type":"float_type","loc":["body","rate_limit_per_second"],)"
               R"("msg":"Input should be a valid number","input":"1"})"));
  CHECK(create_with(api, {{"ordered", 1}}) ==
        detail(R"({"type":"bool_type","loc":["body","ordered"],)"
               R"("msg":"Input should be a valid boolean","input":1})"));
  CHECK(create_with(api, {{"events", "user.created"}}) ==
        detail(R"({"type":"list_type","loc":["body","events"],)"
               R"("msg":"Input should be a valid list","input":"user.created"})"));
  CHECK(create_with(api, {{"metadata", Json::array()}}) ==
        detail(R"({"type":"dict_type","loc":["body","metadata"],)"
               R"("msg":"Input should be a valid dictionary","input":[]})"));
}

TEST_CASE("a pattern that matches nothing hears the nearest pattern or type") {
  ApiFixture api;
  const auto says = [&](const char* pattern) { return create_with(api, {{"events", {pattern}}}); };
  CHECK_THAT(says("usr.*"), Catch::Contains("no known event type; did you mean 'user.*'?"));
  CHECK_THAT(says("user.creatd"), Catch::Contains("did you mean 'user.created'?"));
}

TEST_CASE("a text that is no pattern, or far from all, hears the nearest one too") {
  ApiFixture api;
  const auto says = [&](const char* pattern) { return create_with(api, {{"events", {pattern}}}); };
  for (const char* pattern : {"User.Created", "user..created", "user.created.", "user.create d"}) {
    INFO(pattern);
    CHECK_THAT(says(pattern), Catch::Contains("or *; did you mean 'user.created'?"));
  }
  for (const char* pattern : {"USER.*", "use*", "user.", "user"}) {
    INFO(pattern);
    CHECK_THAT(says(pattern), Catch::Contains("; did you mean 'user.*'?"));
  }
  for (const char* pattern : {"foo.bar", "user.signup", "mfa.*", "login_failed"}) {
    INFO(pattern);
    CHECK_THAT(says(pattern), Catch::Contains("no known event type; did you mean '"));
  }
  CHECK_THAT(says("login_failed"), Catch::Contains("did you mean 'auth.login_failed'?"));
}

TEST_CASE("faults of the path and of the query are told together") {
  ApiFixture api;
  const std::string webhook = kWebhooks + "/" + api.create();
  CHECK(api.send("POST", webhook + "/deliveries/abc/retry?force=maybe").fault_types().size() == 2);
  CHECK(api.send("GET", "/api/v1/admin/deliveries?page=0&webhook_id=" + std::string(1100, 'x'))
            .fault_types()
            .size() == 2);
}

TEST_CASE("a list of the wrong length says how long it is") {
  ApiFixture api;
  CHECK(create_with(api, {{"events", Json::array()}}) ==
        detail(R"({"type":"too_short","loc":["body","events"],)"
               R"("msg":"List should have at least 1 item after validation, not 0","input":[],)"
               R"("ctx":{"field_type":"List","min_length":1,"actual_length":0}})"));
  CHECK(create_with(api, {{"retry_schedule", std::vector<int>(21, 1)}}) ==
        detail(R"({"type":"too_long","loc":["body","retry_schedule"],)"
               R"("msg":"List should have at most 20 items after validation, not 21",)"
               R"("input":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],)"
               R"("ctx":{"field_type":"List","max_length":20,"actual_length":21}})"));
}

TEST_CASE("more than 20 metadata pairs are too many") {
  ApiFixture api;
  Json metadata;
  for (int i = 0; i < 21; ++i) metadata["k" + std::to_string(i)] = "v";
  const Json json = Json::parse(create_with(api, {{"metadata", metadata}}));
  CHECK(json["detail"][0]["type"] == "too_long");
  CHECK(json["detail"][0]["ctx"]["max_length"] == 20);
  CHECK(json["detail"][0]["ctx"]["actual_length"] == 21);
}

TEST_CASE("a number with a fraction is no integer, and one without is") {
  ApiFixture api;
  CHECK(create_with(api, {{"timeout_seconds", 1.5}}) ==
        detail(R"({"type":"int_from_float","loc":["body","timeout_seconds"],)"
               R"("msg":"Input should be a valid integer, got a number with a fractional part",)"
               R"("input":1.5})"));
  const Reply reply = api.send(
      "POST", kWebhooks, R"({"url":"http://example.com","events":["*"],"timeout_seconds":2.0})");
  CHECK(reply.status == 201);
  CHECK(reply.json["timeout_seconds"] == 2);
}

TEST_CASE("numbers out of their range name the bound") {
  ApiFixture api;
  CHECK(create_with(api, {{"timeout_seconds", 0}}) ==
        detail(R"({"type":"greater_than_equal","loc":["body","timeout_seconds"],)"
               R"("msg":"Input should be greater than or equal to 1","input":0,"ctx":{"ge":1}})"));
  CHECK(
      create_with(api, {{"max_in_flight", 257}}) ==
      detail(R"({"type":"less_than_equal","loc":["body","max_in_flight"],)"
             R"("msg":"Input should be less than or equal to 256","input":257,"ctx":{"le":256}})"));
  CHECK(create_with(api, {{"rate_limit_per_second", 0}}) ==
        detail(R"({"type":"greater_than_equal","loc":["body","rate_limit_per_second"],)"
               R"("msg":"Input should be greater than or equal to 0.01","input":0,)"
               R"("ctx":{"ge":0.01}})"));
  CHECK(create_with(api, {{"rate_limit_per_second", 10001}}).find(R"("ctx":{"le":10000})") !=
        std::string::npos);
}

TEST_CASE("an integer of any size is out of range rather than wrapped") {
  ApiFixture api;
  const std::string body =
      R"({"url":"http://example.com","events":["*"],"timeout_seconds":18446744073709551617})";
  const Reply reply = api.send("POST", kWebhooks, body);
  CHECK(reply.response.body ==
        detail(R"({"type":"less_than_equal","loc":["body","timeout_seconds"],)"
               R"("msg":"Input should be less than or equal to 60",)"
               R"("input":18446744073709551617,"ctx":{"le":60}})"));
}

TEST_CASE("a string of the wrong length counts characters, not bytes") {
  ApiFixture api;
  CHECK(create_with(api, {{"name", ""}}) ==
        detail(R"({"type":"string_too_short","loc":["body","name"],)"
               R"("msg":"String should have at least 1 character","input":"",)"
               R"("ctx":{"min_length":1}})"));
  const std::string long_name(101, 'n');
  CHECK(create_with(api, {{"name", long_name}}) ==
        detail(R"({"type":"string_too_long","loc":["body","name"],)"
               R"("msg":"String should have at most 100 characters","input":")" +
               long_name + R"(","ctx":{"max_length":100}})"));
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "ü";
  Json body = webhook_body();
  body["name"] = umlauts;
  CHECK(api.send("POST", kWebhooks, body.dump()).status == 201);
}

TEST_CASE("a word that is none of the allowed lists them") {
  ApiFixture api;
  const std::string fault = R"("msg":"Input should be 'active', 'paused' or 'disabled'",)";
  CHECK(create_with(api, {{"status", "asleep"}}) ==
        detail(R"({"type":"literal_error","loc":["body","status"],)" + fault +
               R"("input":"asleep","ctx":{"expected":"'active', 'paused' or 'disabled'"}})"));
  CHECK(api.send("GET", kWebhooks + "?status=asleep").response.body ==
        detail(R"({"type":"literal_error","loc":["query","status"],)" + fault +
               R"("input":"asleep","ctx":{"expected":"'active', 'paused' or 'disabled'"}})"));
}

TEST_CASE("a URL is refused by what is wrong with it") {
  ApiFixture api;
  CHECK(create_with(api, {{"url", "/relative"}}) ==
        detail(R"({"type":"url_parsing","loc":["body","url"],)"
               R"("msg":"Input should be a valid URL, relative URL without a base",)"
               R"("input":"/relative","ctx":{"error":"relative URL without a base"}})"));
  CHECK(create_with(api, {{"url", "ftp://example.com"}}) ==
        detail(R"({"type":"url_scheme","loc":["body","url"],)"
               R"("msg":"URL scheme should be 'http' or 'https'","input":"ftp://example.com",)"
               R"("ctx":{"expected_schemes":"'http' or 'https'"}})"));
  CHECK(create_with(api, {{"url", "http://user:pw@example.com"}}) ==
        detail(R"({"type":"value_error","loc":["body","url"],)"
               R"("msg":"Value error, userinfo is not allowed",)"
               R"("input":"http://***@example.com","ctx":{"error":"userinfo is not allowed"}})"));
  const Json literal = Json::parse(create_with(api, {{"url", "http://169.254.169.254/meta"}}));
  CHECK(literal["detail"][0]["type"] == "value_error");
  CHECK(literal["detail"][0]["loc"] == Json::array({"body", "url"}));
  const Json too_long =
      Json::parse(create_with(api, {{"url", "http://example.com/" + std::string(2048, 'x')}}));
  CHECK(too_long["detail"][0]["type"] == "string_too_long");
}

TEST_CASE("a field that nobody knows is forbidden") {
  ApiFixture api;
  CHECK(create_with(api, {{"evnets", 1}}) ==
        detail(R"({"type":"extra_forbidden","loc":["body","evnets"],)"
               R"("msg":"Extra inputs are not permitted","input":1})"));
}

TEST_CASE("a body that is no object is refused as a whole") {
  ApiFixture api;
  const Reply reply = api.send("POST", kWebhooks, "[1]");
  CHECK(reply.status == 422);
  CHECK(reply.response.body ==
        detail(R"({"type":"model_attributes_type","loc":["body"],)"
               R"("msg":"Input should be a valid dictionary or object to extract fields from",)"
               R"("input":[1]})"));
}

TEST_CASE("a time that is none is a datetime_parsing fault") {
  ApiFixture api;
  const Json body = Json::parse(create_with(api, {{"expires_at", "tomorrow"}}));
  const Json& fault = body["detail"][0];
  CHECK(fault["type"] == "datetime_parsing");
  CHECK(fault["loc"] == Json::array({"body", "expires_at"}));
  CHECK(fault["input"] == "tomorrow");
  CHECK(fault["msg"] ==
        "Input should be a valid datetime, " + fault["ctx"]["error"].get<std::string>());
  const std::string id = api.create();
  const Reply query = api.send("GET", kWebhooks + "/" + id + "/deliveries?since=yesterday");
  CHECK(query.fault_types() == std::vector<std::string>{"datetime_parsing"});
  CHECK(query.json["detail"][0]["loc"] == Json::array({"query", "since"}));
}

TEST_CASE("broken JSON is told by its position and never by its text") {
  ApiFixture api;
  const Reply reply = api.send("POST", kWebhooks, R"({"url": "http://s3cret)");
  CHECK(reply.status == 422);
  const Json& fault = reply.json["detail"][0];
  CHECK(fault["type"] == "json_invalid");
  CHECK(fault["msg"] == "JSON decode error");
  CHECK(fault["loc"][0] == "body");
  CHECK(fault["loc"][1].is_number_integer());
  CHECK(fault["input"] == Json::object());
  CHECK(fault["ctx"]["error"].is_string());
  CHECK(reply.response.body.find("s3cret") == std::string::npos);
}

TEST_CASE("the position of a fault in JSON counts characters") {
  ApiFixture api;
  const auto position_in = [&](const std::string& body) {
    return api.send("POST", kWebhooks, body).json["detail"][0]["loc"];
  };
  CHECK(position_in(R"({"é":"x",})") == Json::array({"body", 9}));
  CHECK(position_in(R"({"🔑":tru})") == Json::array({"body", 5}));
  CHECK(position_in("\xEF\xBB\xBF{x}") == Json::array({"body", 1}));
  CHECK(position_in("not json") == Json::array({"body", 0}));
}

TEST_CASE("nesting of any depth, lone surrogates and broken UTF-8 are invalid JSON") {
  ApiFixture api;
  const std::string deep = R"({"url":)" + std::string(100'000, '[');
  const std::string nested = R"({"url":)" + std::string(129, '[') + std::string(129, ']') + "}";
  for (const std::string& body :
       {deep, nested, std::string(R"({"name":"\ud800"})"), std::string("{\"name\":\"\xff\"}"),
        std::string("{\"n\":1e400}")}) {
    const Reply reply = api.send("POST", kWebhooks, body);
    CHECK(reply.status == 422);
    CHECK(reply.fault_types() == std::vector<std::string>{"json_invalid"});
  }
}

TEST_CASE("all faults of a request are told at once") {
  ApiFixture api;
  const Reply reply = api.send("POST", kWebhooks, R"({
    "name": "", "url": "ftp://x", "events": ["user.creatd", 5, "No Pattern"], "status": "x",
    "timeout_seconds": 99, "retry_schedule": [1, "2"], "max_in_flight": 0, "ordered": "yes",
    "rate_limit_per_second": null, "metadata": {"a": 1}, "headers": {"Host": "x"},
    "expires_at": "2020-01-01T00:00:00Z", "secret": "short", "surprise": 1})");
  CHECK(reply.status == 422);
  std::vector<std::string> locs;
  for (const Json& fault : reply.json["detail"]) {
    std::string loc;
    for (const Json& part : fault["loc"]) {
      loc += part.is_string() ? "/" + part.get<std::string>() : "/" + part.dump();
    }
    locs.push_back(loc);
  }
  std::sort(locs.begin(), locs.end());
  CHECK(locs == std::vector<std::string>{
                    "/body/events/0", "/body/events/1", "/body/events/2", "/body/expires_at",
                    "/body/headers/Host", "/body/max_in_flight", "/body/metadata/a", "/body/name",
                    "/body/ordered", "/body/retry_schedule/1", "/body/secret", "/body/status",
                    "/body/surprise", "/body/timeout_seconds", "/body/url"});
  const Reply query = api.send("GET", kWebhooks + "?page=0&per_page=0&status=x");
  CHECK(query.json["detail"].size() == 3);
}

TEST_CASE("a request with thousands of faults gets an answer of bounded size") {
  ApiFixture api;
  Json body = webhook_body();
  for (int i = 0; i < 5000; ++i) body["unknown_" + std::to_string(i)] = i;
  const Reply reply = api.send("POST", kWebhooks, body.dump());
  CHECK(reply.status == 422);
  CHECK(reply.json["detail"].size() == 100);
}

TEST_CASE("control characters and broken UTF-8 are refused in every string of a webhook") {
  ApiFixture api;
  for (const char* field : {"name", "description", "url", "tenant_id", "partner_id", "status",
                            "expires_at", "secret"}) {
    INFO(field);
    Json body = webhook_body();
    body[field] = std::string("http://example.com/\0x-and-more-of-it", 36);
    CHECK(api.send("POST", kWebhooks, body.dump()).status == 422);
    const std::string broken =
        R"({"url":"http://example.com","events":["*"],")" + std::string(field) + "\":\"\xC3(\"}";
    CHECK(api.send("POST", kWebhooks, broken).status == 422);
  }
  const std::string nul("a\0b", 3);
  for (const Json& more :
       {Json{{"events", {nul}}}, Json{{"metadata", {{"a", nul}}}}, Json{{"metadata", {{nul, "a"}}}},
        Json{{"headers", {{"X-A", nul}}}}, Json{{"headers", {{nul, "a"}}}}, Json{{nul, 1}}}) {
    INFO(more.dump());
    create_with(api, more);
  }
}

TEST_CASE("control characters are refused in every string of an event") {
  ApiFixture api;
  const std::string nul("a\0b", 3);
  for (const Json& more :
       {Json{{"event_type", nul}}, Json{{"event_id", nul}}, Json{{"timestamp", nul}},
        Json{{"tenant_id", nul}}, Json{{"partner_id", nul}},
        Json{{"resource", {{"type", nul}, {"id", "1"}}}},
        Json{{"resource", {{"type", "user"}, {"id", nul}}}},
        Json{{"actor", {{"id", nul}, {"type", "user"}}}}}) {
    Json body = {{"event_type", "user.created"}, {"data", Json::object()}};
    body.update(more);
    INFO(body.dump());
    CHECK(api.send("POST", "/api/v1/events", body.dump()).status == 422);
  }
}

TEST_CASE("a body of another media type is 415, and a missing type is taken for JSON") {
  ApiFixture api;
  const std::string body = webhook_body().dump();
  CHECK(api.send("POST", kWebhooks, body, root(), {{"content-type", "text/plain"}}).status == 415);
  CHECK(api.send("POST", kWebhooks, body, root(), {{"content-type", "application/xml"}}).status ==
        415);
  CHECK(api.send("POST", kWebhooks, body, root(),
                 {{"content-type", "Application/JSON; charset=utf-8"}})
            .status == 201);
  HttpRequest request;
  request.method = "POST";
  request.path = kWebhooks;
  Json other = webhook_body();
  other["name"] = "other";
  request.body = other.dump();
  request.peer = PeerCredentials{};
  CHECK(api.handler->handle(request).status == 201);
}

}  // namespace webhookd
