// What paths and queries may say.

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

std::string detail_of(const std::string& fault) { return R"({"detail":[)" + fault + "]}"; }

}  // namespace

TEST_CASE("query integers are parsed from their text") {
  ApiFixture api;
  CHECK(
      api.send("GET", kWebhooks + "?page=x").response.body ==
      detail_of(R"({"type":"int_parsing","loc":["query","page"],)"
                R"("msg":"Input should be a valid integer, unable to parse string as an integer",)"
                R"("input":"x"})"));
  CHECK(api.send("GET", kWebhooks + "?page=0").response.body ==
        detail_of(
            R"({"type":"greater_than_equal","loc":["query","page"],)"
            R"("msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1}})"));
  CHECK(api.send("GET", kWebhooks + "?per_page=1000000000").response.body ==
        detail_of(R"({"type":"less_than_equal","loc":["query","per_page"],)"
                  R"("msg":"Input should be less than or equal to 200","input":"1000000000",)"
                  R"("ctx":{"le":200}})"));
  for (const char* text : {"", "1e9", "+-1", "++1", "0x1", "1.0"}) {
    INFO(text);
    const Reply reply = api.send("GET", kWebhooks + "?per_page=" + text);
    CHECK(reply.fault_types() == std::vector<std::string>{"int_parsing"});
  }
}

TEST_CASE("a delivery id that is no integer is a fault of the path") {
  ApiFixture api;
  const std::string id = api.create();
  for (const char* text : {"abc", "1;DROP", "99999999999999999999x"}) {
    const Reply reply = api.send("GET", kWebhooks + "/" + id + "/deliveries/" + text);
    CHECK(reply.status == 422);
    CHECK(reply.response.body ==
          detail_of(
              R"({"type":"int_parsing","loc":["path","delivery_id"],)"
              R"("msg":"Input should be a valid integer, unable to parse string as an integer",)"
              R"("input":")" +
              std::string(text) + R"("})"));
  }
}

TEST_CASE("an id beyond 64 bits is one that nothing has") {
  ApiFixture api;
  const std::string of_webhook = kWebhooks + "/" + api.create() + "/deliveries/";
  for (const std::string& deliveries : {of_webhook, std::string("/api/v1/admin/deliveries/")}) {
    for (const char* id : {"99999999999999999999", "-99999999999999999999", "-1", "0"}) {
      INFO(deliveries << id);
      const Reply reply = api.send("GET", deliveries + id);
      CHECK(reply.status == 404);
      CHECK(reply.json["detail"] == "Delivery not found");
    }
  }
}

TEST_CASE("a number beyond 64 bits is out of its range") {
  ApiFixture api;
  CHECK(api.send("GET", kWebhooks + "?per_page=99999999999999999999").response.body ==
        detail_of(R"({"type":"less_than_equal","loc":["query","per_page"],)"
                  R"("msg":"Input should be less than or equal to 200",)"
                  R"("input":"99999999999999999999","ctx":{"le":200}})"));
  CHECK(api.send("GET", kWebhooks + "?page=-99999999999999999999").fault_types() ==
        std::vector<std::string>{"greater_than_equal"});
}

TEST_CASE("a page however deep is empty past the last one") {
  ApiFixture api;
  const std::string id = api.create();
  for (const std::string& list :
       {kWebhooks, kWebhooks + "/events", kWebhooks + "/" + id + "/deliveries",
        std::string("/api/v1/admin/deliveries")}) {
    for (const char* page : {"10000001", "2147483648", "99999999999999999999"}) {
      INFO(list << " " << page);
      const Reply reply = api.send("GET", list + "?per_page=200&page=" + page);
      REQUIRE(reply.status == 200);
      CHECK(reply.json["items"].empty());
    }
  }
}

TEST_CASE("a flag has all the spellings that FastAPI takes") {
  ApiFixture api;
  const std::string retry = kWebhooks + "/" + api.create() + "/deliveries/1/retry?force=";
  for (const char* word : {"true", "1", "yes", "on", "t", "y", "TRUE", "Yes", "false", "0", "no",
                           "off", "f", "n", "False", "OFF"}) {
    INFO(word);
    CHECK(api.send("POST", retry + word).status == 404);
  }
  for (const char* word : {"maybe", "", "2", "truee"}) {
    INFO(word);
    CHECK(api.send("POST", retry + word).status == 422);
  }
}

TEST_CASE("a class of statuses may be in capitals") {
  ApiFixture api;
  const std::string deliveries = "/api/v1/admin/deliveries?response_status=";
  for (const char* wanted : {"500", "5xx", "5XX", "none"}) {
    INFO(wanted);
    CHECK(api.send("GET", deliveries + wanted).status == 200);
  }
  for (const char* wanted : {"6xx", "xx", "5xy", "99999999999999999999"}) {
    INFO(wanted);
    CHECK(api.send("GET", deliveries + wanted).status == 422);
  }
}

TEST_CASE("of a repeated query parameter the last one counts, and unknown ones are ignored") {
  ApiFixture api;
  CHECK(api.send("GET", kWebhooks + "?page=x&page=1&colour=red").status == 200);
  CHECK(api.send("GET", kWebhooks + "?page=1&page=x").status == 422);
}

}  // namespace webhookd
