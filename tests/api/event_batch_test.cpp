// Many events in one request: all or none of them, and every fault with its line.

#include <algorithm>
#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

const std::string kBatch = "/api/v1/events/batch";

Json event(const std::string& id, const std::string& type = "user.created") {
  return {{"event_id", id}, {"event_type", type}, {"data", {{"n", 1}}}};
}

Reply send_lines(ApiFixture& api, const std::string& lines, const Caller& caller = root()) {
  return api.send("POST", kBatch, lines, caller, {{"content-type", "application/x-ndjson"}});
}

Reply send_array(ApiFixture& api, const std::string& array) {
  return api.send("POST", kBatch, array);
}

std::vector<std::string> locs(const Reply& reply) {
  std::vector<std::string> found;
  for (const Json& fault : reply.json.at("detail")) found.push_back(fault.at("loc").dump());
  return found;
}

bool is_stored(ApiFixture& api, const std::string& id) {
  return api.send("GET", "/api/v1/admin/events/" + id).status == 200;
}

std::string body_of(ApiFixture& api, const std::string& id) {
  return api.store->find_events(id).at(0).body;
}

}  // namespace

TEST_CASE("a batch of lines and one of an array are published alike") {
  ApiFixture api;
  api.create();
  const Json first = event("evt_1");
  const Json second = {{"event_type", "user.deleted"}, {"data", Json::object()}};
  const bool lines = GENERATE(true, false);
  const Reply reply = lines ? send_lines(api, first.dump() + "\n" + second.dump() + "\n")
                            : send_array(api, Json::array({first, second}).dump());
  REQUIRE(reply.status == 202);
  REQUIRE(reply.json["items"].size() == 2);
  CHECK(reply.json["items"][0].dump() ==
        R"({"event_id":"evt_1","event_type":"user.created","deliveries":1,"duplicate":false})");
  const std::string made = reply.json["items"][1]["event_id"];
  CHECK(made.starts_with("evt_"));
  CHECK(is_stored(api, "evt_1"));
  CHECK(is_stored(api, made));
  CHECK(api.dispatcher.notified.size() == 1);
}

TEST_CASE("lines may be blank, end in CRLF, and need no end at the end") {
  ApiFixture api;
  const Reply reply = send_lines(
      api, "\xEF\xBB\xBF\r\n" + event("evt_1").dump() + "\r\n \t\n\n" + event("evt_2").dump());
  CHECK(reply.status == 202);
  CHECK(reply.json["items"].size() == 2);
}

TEST_CASE("a batch keeps the digits of numbers") {
  ApiFixture api;
  const std::string data = R"({"big":123456789012345678901234567890,"money":0.10})";
  const std::string line =
      R"({"event_id":"evt_1","event_type":"user.created","data":)" + data + "}";
  SECTION("lines") { REQUIRE(send_lines(api, line).status == 202); }
  SECTION("array") { REQUIRE(send_array(api, "[" + line + "]").status == 202); }
  CHECK_THAT(body_of(api, "evt_1"), Catch::Contains("\"data\":" + data));
}

TEST_CASE("a batch tells all faults of all lines by the line's number, and stores nothing") {
  ApiFixture api;
  const std::string bad = R"({"event_type":7,"data":{},"surprise":1})";
  const std::string lines = event("evt_1").dump() + "\n\n" + bad + "\n[]\n{\"a\":tru}\n" +
                            event("evt_2", "user.creatd").dump();
  const Reply reply = send_lines(api, lines);
  CHECK(reply.status == 422);
  CHECK(locs(reply) == std::vector<std::string>{R"(["body",3,"event_type"])",
                                                R"(["body",3,"surprise"])", R"(["body",4])",
                                                R"(["body",5,5])", R"(["body",6,"event_type"])"});
  CHECK(reply.fault_types() == std::vector<std::string>{"string_type", "extra_forbidden",
                                                        "model_attributes_type", "json_invalid",
                                                        "value_error"});
  CHECK_FALSE(is_stored(api, "evt_1"));
  CHECK(api.dispatcher.notified.empty());
}

TEST_CASE("a line that the catalogue refuses keeps its place among the faults") {
  ApiFixture api;
  const Reply reply = send_lines(api, event("evt_1", "user.creatd").dump() + "\n{bad\n");
  CHECK(locs(reply) == std::vector<std::string>{R"(["body",1,"event_type"])", R"(["body",2,1])"});
}

TEST_CASE("an array's faults are told by the index of the item") {
  ApiFixture api;
  const Reply reply = send_array(api, R"([7,{"event_type":"user.created"}])");
  CHECK(locs(reply) == std::vector<std::string>{R"(["body",0])", R"(["body",1,"data"])"});
}

TEST_CASE("an array that is no JSON is told where, in all of the body") {
  ApiFixture api;
  const std::string one = event("evt_1").dump();
  const auto [body, position] = GENERATE_COPY(table<std::string, std::size_t>({
      {"[" + one, one.size() + 1},
      {"[" + one + ",]", one.size() + 2},
      {"[" + one + "]]", one.size() + 2},
      {"[" + one + "}", one.size() + 1},
      {"[" + one + " " + one + "]", one.size() + 2},
      {"[" + one + ",{\"\xC3\xA9\":tru}]", one.size() + 7},
      {"[\xEF\xBB\xBF" + one + "]", 1},
  }));
  INFO(body);
  const Reply reply = send_array(api, body);
  CHECK(reply.fault_types() == std::vector<std::string>{"json_invalid"});
  CHECK(locs(reply) == std::vector<std::string>{"[\"body\"," + std::to_string(position) + "]"});
}

TEST_CASE("a body that is no batch is refused") {
  ApiFixture api;
  const auto types = [](const Reply& reply) {
    REQUIRE(reply.status == 422);
    CHECK(locs(reply) == std::vector<std::string>{R"(["body"])"});
    return reply.fault_types().at(0);
  };
  CHECK(types(send_array(api, "{}")) == "list_type");
  CHECK(types(send_array(api, "null")) == "list_type");
  CHECK(types(send_array(api, "")) == "missing");
  CHECK(types(send_array(api, "[ ]")) == "too_short");
  CHECK(types(send_lines(api, "")) == "too_short");
  CHECK(types(send_lines(api, "\n \r\n")) == "too_short");
  CHECK(api.send("POST", kBatch, "x", root(), {{"content-type", "text/plain"}}).status == 415);
}

TEST_CASE("a batch has a bound of events, and each event its bound of bytes") {
  ApiOptions options;
  options.max_event_bytes = 200;
  ApiFixture api(options);
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += event("evt_" + std::to_string(i)).dump() + "\n";
  SECTION("1,000 pass") { CHECK(send_lines(api, lines).status == 202); }
  SECTION("1,001 do not") {
    CHECK(send_lines(api, lines + "1").status == 413);
    std::string array = lines;
    std::replace(array.begin(), array.end(), '\n', ',');
    CHECK(send_array(api, "[" + array + "1]").status == 413);
    CHECK_FALSE(is_stored(api, "evt_0"));
  }
  SECTION("one that is too large") {
    const Reply reply = send_lines(api, event("evt_1").dump() + "\n" + std::string(201, 'x'));
    CHECK(reply.status == 413);
    CHECK_THAT(reply.detail(), Catch::StartsWith("Line 2: "));
  }
}

TEST_CASE("a batch that is sent again is one of duplicates, also within itself") {
  ApiFixture api;
  api.create();
  const std::string lines =
      event("evt_1").dump() + "\n" + event("evt_2").dump() + "\n" + event("evt_1").dump();
  const auto duplicates = [&] {
    const Reply reply = send_lines(api, lines);
    CHECK(reply.status == 202);
    std::string found;
    for (const Json& item : reply.json["items"]) {
      CHECK(item["deliveries"] == 1);
      found += item["duplicate"] == true ? 'd' : '-';
    }
    return found;
  };
  CHECK(duplicates() == "--d");
  CHECK(duplicates() == "ddd");
}

TEST_CASE("a conflict in a batch names its line and id, and nothing is stored") {
  ApiFixture api;
  REQUIRE(send_lines(api, event("evt_1").dump()).status == 202);
  Json other = event("evt_1");
  other["data"]["n"] = 2;
  std::string why =
      "Line 3: another event with the event_id evt_1 and other content was accepted before";
  SECTION("with an event of before") {}
  SECTION("within the batch") {
    other["event_id"] = "evt_new";
    why = "Line 3: Line 1 of this batch has the same event_id evt_new and other content";
  }
  const Reply reply = send_lines(api, event("evt_new").dump() + "\n\n" + other.dump());
  CHECK(reply.status == 409);
  CHECK(reply.detail() == why);
  CHECK_FALSE(is_stored(api, "evt_new"));
}

TEST_CASE("what an array repeats of before is at odds with that, and with no item above it") {
  ApiFixture api;
  REQUIRE(send_lines(api, event("evt_1").dump()).status == 202);
  Json other = event("evt_1");
  other["data"]["n"] = 2;
  const Reply reply = send_array(api, "[" + event("evt_1").dump() + "," + other.dump() + "]");
  CHECK(reply.status == 409);
  CHECK(reply.detail() ==
        "Item 1: another event with the event_id evt_1 and other content was accepted before");
}

TEST_CASE("a batch is repeated even when the catalogue has changed since") {
  ApiFixture api;
  const std::string types = "/api/v1/admin/event-types";
  REQUIRE(api.send("POST", types, R"({"event_type":"order.paid"})").status == 201);
  const std::string lines = event("evt_1", "order.paid").dump() + "\n" + event("evt_2").dump();
  REQUIRE(send_lines(api, lines).status == 202);
  REQUIRE(api.send("DELETE", types + "/order.paid").status == 204);
  const Reply again = send_lines(api, lines + "\n" + event("evt_3").dump());
  CHECK(again.status == 202);
  CHECK(is_stored(api, "evt_3"));
  const Reply more = send_lines(
      api, lines + "\n" + event("evt_4").dump() + "\n" + event("evt_5", "order.paid").dump());
  CHECK(locs(more) == std::vector<std::string>{R"(["body",4,"event_type"])"});
  CHECK_FALSE(is_stored(api, "evt_4"));
}

TEST_CASE("every event of a batch takes the principal's tenant, and may name no other") {
  ApiFixture api;
  const Caller tenant = api.bearer({{"role", "tenant_admin"}, {"tenant_id", "t1"}});
  REQUIRE(send_lines(api, event("evt_1").dump(), tenant).status == 202);
  CHECK(api.store->find_events("evt_1").at(0).binding.tenant_id == "t1");
  Json foreign = event("evt_3");
  foreign["tenant_id"] = "t2";
  const Reply reply = send_lines(api, event("evt_2").dump() + "\n" + foreign.dump(), tenant);
  CHECK(reply.status == 403);
  CHECK_THAT(reply.detail(), Catch::StartsWith("Line 2: "));
  CHECK_FALSE(is_stored(api, "evt_2"));
}

TEST_CASE("no more faults of a batch are looked for than are shown") {
  ApiFixture api;
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "{}\n";
  CHECK(send_lines(api, lines).json["detail"].size() == 100);
}

}  // namespace webhookd
