// What of a request comes back in its faults.

#include "api/shown_input.h"

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

std::string shown(const std::string& input) { return shown_input(input, {std::string("body")}); }

}  // namespace

TEST_CASE("secrets and header values never come back in a fault") {
  ApiFixture api;
  Json body = webhook_body();
  body["secret"] = "hunter2-hunter2\n";
  body["headers"] = {{"Authorization", "hunter2"}, {"Host", "hunter2"}, {"X-Pin", 48151623}};
  body.erase("url");
  const Reply reply = api.send("POST", kWebhooks, body.dump());
  CHECK(reply.status == 422);
  CHECK(reply.json["detail"].size() == 4);
  CHECK(reply.response.body.find("hunter2") == std::string::npos);
  CHECK(reply.response.body.find("48151623") == std::string::npos);
  CHECK(reply.response.body.find("***") != std::string::npos);
  const Reply list = api.send("POST", kWebhooks, R"({"url":"http://example.com","events":["*"],
    "headers":["Authorization: hunter2"]})");
  CHECK(list.fault_types() == std::vector<std::string>{"dict_type"});
  CHECK(list.json["detail"][0]["input"] == Json::array({"***"}));
}

TEST_CASE("a secret is masked under its name in any case, and whole") {
  CHECK(shown(R"({"a":[{"Secret":"top"}],"SECRET":{"top":"top"},"secret":null})") ==
        R"({"a":[{"Secret":"***"}],"SECRET":"***","secret":"***"})");
  CHECK(shown_input(R"("top")", {std::string("body"), std::string("Secret")}) == R"("***")");
  CHECK(shown_input(R"({"a":"top"})", {std::string("body"), std::string("secret")}) == R"("***")");
}

TEST_CASE("header values are masked under their name in any case, names are shown") {
  CHECK(shown(R"({"HEADERS":{"A":"top","b":5,"c":[true,null]},"x":"y"})") ==
        R"({"HEADERS":{"A":"***","b":"***","c":["***",null]},"x":"y"})");
  CHECK(shown(R"({"headers":["A: top",1,{"A":1}]})") == R"({"headers":["***",1,{"A":"***"}]})");
  const Loc headers{std::string("body"), std::string("Headers")};
  CHECK(shown_input(R"({"A":"top"})", headers) == R"({"A":"***"})");
  CHECK(shown_input(R"("top")", headers) == R"("***")");
  CHECK(shown_input(R"(5)", headers / std::string("A")) == R"("***")");
}

TEST_CASE("a document that hides in a string is masked with its secrets") {
  ApiFixture api;
  const Json body = {{"secret", "whsec_TOP"}, {"headers", {{"Authorization", "Bearer TOP"}}}};
  const std::string twice = Json(body.dump()).dump();
  const Reply reply = api.send("POST", kWebhooks, twice);
  CHECK(reply.fault_types() == std::vector<std::string>{"model_attributes_type"});
  CHECK(reply.json["detail"][0]["input"] == "***");
  CHECK(shown(R"("HEADERS={}")") == R"("***")");
  CHECK(shown(R"({"key":"whsec_TOP"})") == R"({"key":"***"})");
  CHECK(shown(R"(["user.secret_rotated"])") == R"(["user.secret_rotated"])");
}

TEST_CASE("what a URL has before its host is masked") {
  CHECK(shown(R"({"url":"https://u:TOP@h/p?q=1"})") == R"({"url":"https://***@h/p?q=1"})");
  CHECK(shown(R"("https://TOP@h")") == R"("https://***@h")");
  CHECK(shown(R"("https://u:T@OP@h")") == R"("https://***@h")");
  CHECK(shown(R"("https://u:TOP/TOP@h")") == R"("https://***@h")");
  CHECK(shown(R"("u:TOP@h")") == R"("***@h")");
  CHECK(shown(R"("https://h:80/p?to=a@b")") == R"("https://h:80/p?to=a@b")");
  CHECK(shown(R"("a@b.example")") == R"("a@b.example")");
}

TEST_CASE("numbers keep their digits beside what is masked or cut") {
  CHECK(shown(R"({"a":0.10,"b":-0,"c":1E5,"d":123456789012345678901234567890,"secret":1})") ==
        R"({"a":0.10,"b":-0,"c":1E5,"d":123456789012345678901234567890,"secret":"***"})");
  const std::string cut = shown(R"({"a":0.10,"b":")" + std::string(2000, 'x') + "\"}");
  CHECK_THAT(Json::parse(cut).get<std::string>(), Catch::StartsWith(R"({"a":0.10,"b":"xxx)"));
}

TEST_CASE("an input is cut at one KiB between two characters") {
  ApiFixture api;
  std::string value = "a";
  while (value.size() < 3000) value += "ü";
  Json body = webhook_body();
  body["name"] = value;
  const Reply reply = api.send("POST", kWebhooks, body.dump());
  const auto input = reply.json["detail"][0]["input"].get<std::string>();
  CHECK(input.size() <= 1024);
  CHECK(input.size() > 1000);
  CHECK(value.starts_with(input));
}

}  // namespace webhookd
