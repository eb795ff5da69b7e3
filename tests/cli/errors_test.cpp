#include "cli/errors.h"

#include <catch2/catch.hpp>

using namespace webhookd;

TEST_CASE("each HTTP status has its exit code") {
  const std::pair<int, int> table[] = {{307, 1}, {400, 6}, {401, 4}, {403, 4}, {404, 3}, {405, 6},
                                       {408, 8}, {409, 6}, {413, 6}, {415, 6}, {422, 6}, {429, 1},
                                       {500, 1}, {502, 1}, {503, 1}, {504, 8}};
  for (const auto& [status, exit] : table) {
    CAPTURE(status);
    CHECK(static_cast<int>(api_failure(status, "", "").exit) == exit);
  }
}

TEST_CASE("the server's sentence is the error's") {
  const CliError error = api_failure(409, R"({"detail":"The name is taken"})", "req-9");
  CHECK(error.message == "The name is taken");
  CHECK(error.request_id == "req-9");
  CHECK(error.http_status == 409);
}

TEST_CASE("every fault of a request is named with its place") {
  const CliError error = api_failure(
      422,
      R"({"detail":[{"type":"missing","loc":["body","url"],"msg":"Field required","input":{}},)"
      R"({"type":"x","loc":["body","events",0],"msg":"Value error, no such type"}]})",
      "");
  REQUIRE(error.details.size() == 2);
  CHECK(error.details[0] == "body.url: Field required");
  CHECK(error.details[1] == "body.events.0: Value error, no such type");
}

TEST_CASE("an answer that is no JSON, or of an unknown form, still makes an error") {
  CHECK(api_failure(502, "<html>Bad Gateway</html>", "").message == "the server answered 502");
  CHECK(api_failure(400, R"({"detail":{"a":1}})", "").message == "the server answered 400");
  CHECK(api_failure(422, R"({"detail":["odd",{"loc":7}]})", "").details.size() == 2);
  CHECK(api_failure(400, "[]", "").message == "the server answered 400");
}
