// What `publish --batch` sends of a file, and how a refusal is told in the file's lines.

#include "cli/event_batch.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "cli/line_reader.h"
#include "cli/program.h"

namespace webhookd {
namespace {

std::string sent(const std::string& text) {
  BatchLine line;
  return identified(text, "evt_new", line);
}

}  // namespace

TEST_CASE("a line without an event id gets one at its end, and nothing else of it changes") {
  CHECK(sent(R"( {"data":{"n":1e2, "m" : 0.10} } )") ==
        R"({"data":{"n":1e2, "m" : 0.10} ,"event_id":"evt_new"})");
  CHECK(sent("{ }") == R"({ "event_id":"evt_new"})");
  CHECK(sent(R"({"event_id":null})") == R"({"event_id":null,"event_id":"evt_new"})");
  CHECK(sent(R"({"event_id":"evt_old"})") == R"({"event_id":"evt_old"})");
  CHECK(sent(R"({"event_id":7})") == R"({"event_id":7})");
}

TEST_CASE("a line that is no object is sent as it is") {
  for (const char* text : {"[]", "{", "7", "\"}\"", "{}}"}) CHECK(sent(text) == text);
}

TEST_CASE("a line tells whose event it is") {
  BatchLine line;
  identified(R"({"tenant_id":"t\u0031","partner_id":"p"})", "evt_new", line);
  CHECK(line.tenant_id == "t1");
  CHECK(line.partner_id == "p");
}

TEST_CASE("a batch has room for 1,000 events and 8 MiB") {
  EventBatch batch;
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(batch.has_room_for(2));
    batch.add({}, "{}");
  }
  CHECK_FALSE(batch.has_room_for(2));
  batch.clear();
  CHECK(batch.has_room_for(kMostBatchBytes - 1));
  CHECK_FALSE(batch.has_room_for(kMostBatchBytes));
}

TEST_CASE("faults and sentences name the file's line") {
  const std::vector<BatchLine> lines{{4, "", ""}, {9, "", ""}};
  const CliError faults = batch_failure(
      422,
      R"({"detail":[{"loc":["body",2,"data"],"msg":"Field required"},{"loc":["body",7],"msg":"x"},
      {"loc":["body"],"msg":"y"}]})",
      "", lines);
  CHECK(faults.exit == Exit::rejected);
  CHECK(faults.details ==
        std::vector<std::string>{"line 9.data: Field required", "body.7: x", "body: y"});
  CHECK(batch_failure(409, R"({"detail":"Line 1: taken"})", "", lines).message == "line 4: taken");
  CHECK(batch_failure(409, R"({"detail":"Line 2: Line 1 of this batch differs"})", "", lines)
            .message == "line 9: line 4 of this batch differs");
  CHECK(batch_failure(409, R"({"detail":"Line 3: taken"})", "", lines).message == "Line 3: taken");
  CHECK(batch_failure(409, R"({"detail":"Line x"})", "", lines).message == "Line x");
  CHECK(batch_failure(500, "no JSON", "", lines).exit == Exit::internal);
}

TEST_CASE("a file is read line by line, however it ends") {
  const tests::Folder folder;
  const auto lines_of = [&](const std::string& text) {
    LineReader reader(folder.write("lines", text), 600'000);
    std::vector<std::string> lines;
    while (const auto line = reader.next()) lines.emplace_back(*line);
    CHECK(reader.number() == static_cast<std::int64_t>(lines.size()));
    CHECK(reader.comes_within(std::chrono::milliseconds(0)));
    return lines;
  };
  using Lines = std::vector<std::string>;
  CHECK(lines_of("").empty());
  CHECK(lines_of("a") == Lines{"a"});
  CHECK(lines_of("a\n") == Lines{"a"});
  CHECK(lines_of("\na\n\nb") == Lines{"", "a", "", "b"});
  const std::string large(500'000, 'x');
  CHECK(lines_of(large + "\n" + large) == Lines{large, large});
}

TEST_CASE("a line beyond all bounds is refused with its number") {
  const tests::Folder folder;
  LineReader reader(folder.write("lines", "a\n" + std::string(2'000'000, 'x')), 600'000);
  CHECK(reader.next() == "a");
  CHECK_THROWS_WITH(reader.next(), Catch::Contains("line 2 is longer than 600000 bytes"));
}

}  // namespace webhookd
