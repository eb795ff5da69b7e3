// --wait: how long it lasts, what it asks for and what it makes of the answers.

#include "cli/waiting.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/stub_server.h"

using namespace webhookd;
using webhookd::tests::Canned;
using webhookd::tests::contains;
using webhookd::tests::Ran;
using webhookd::tests::StubServer;

namespace {

// Time that passes only when it is told to.
class SteppedClock final : public Clock {
 public:
  Timestamp now() const override { return Timestamp{}; }
  Monotonic monotonic() const override { return Monotonic(passed); }
  std::chrono::milliseconds passed{0};
};

Ran wait_at(const StubServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--server", server.url()});
  return tests::run_program(arguments);
}

Json in_status(const char* status) { return {{"id", 1}, {"status", status}}; }

}  // namespace

TEST_CASE("a request within a wait may take what is left of it, and never less than two seconds") {
  SteppedClock clock;
  const Deadline deadline(clock, std::chrono::seconds(10));
  CHECK(deadline.for_one_request() == std::chrono::seconds(10));
  clock.passed = std::chrono::seconds(7);
  CHECK(deadline.for_one_request() == std::chrono::seconds(3));
  CHECK_FALSE(deadline.is_over());
  clock.passed = std::chrono::seconds(60);
  CHECK(deadline.left() == std::chrono::seconds(0));
  CHECK(deadline.for_one_request() == std::chrono::seconds(2));
  CHECK(deadline.is_over());
}

TEST_CASE("what is neither done nor failed is not settled, whatever it is called") {
  for (const char* status : {"pending", "in_flight", "queued", "-"}) {
    CAPTURE(status);
    CHECK_FALSE(is_settled(in_status(status)));
    CHECK(shortfall_of({in_status(status)})->exit == Exit::timed_out);
  }
  CHECK_FALSE(is_settled(Json::object()));
  for (const char* status : {"failed", "cancelled"}) {
    CHECK(is_settled(in_status(status)));
    CHECK(shortfall_of({in_status("pending"), in_status(status)})->exit == Exit::delivery_failed);
  }
  CHECK_FALSE(shortfall_of({in_status("succeeded")}).has_value());
  CHECK_FALSE(shortfall_of({}).has_value());
}

TEST_CASE("retry --wait asks for the delivery that was named, where the answer is a mere message") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  server.answer("POST /api/v1/admin/webhooks/wh-1/deliveries/3/retry",
                {200, R"({"message":"queued"})", {}});
  server.answer("GET /api/v1/admin/webhooks/wh-1/deliveries/3",
                {200, R"({"status":"succeeded"})", {}});
  const Ran ran = wait_at(server, {"retry", "one", "3", "--wait", "--no-header"});
  CHECK(ran.exit == 0);
  CHECK(ran.out.starts_with("3\tsucceeded\t"));
  const Ran shown = wait_at(server, {"retry", "one", "3", "--no-header"});
  CHECK(shown.exit == 0);
  CHECK(shown.out.starts_with("3\t-\t"));
}

TEST_CASE("publish --wait asks for the event of the tenant and the partner that it named") {
  StubServer server;
  server.answer("POST /api/v1/events", {202, R"({"event_id":"e1","deliveries":0})", {}});
  server.answer("GET /api/v1/admin/events/e1", {200, R"({"deliveries":[]})", {}});
  CHECK(wait_at(server, {"publish", "a.b", "--data", "{}", "--id", "e1", "--tenant", "t",
                         "--partner", "p", "--wait"})
            .exit == 0);
  const auto query = server.seen().back().query;
  CHECK(query.at("tenant_id") == "t");
  CHECK(query.at("partner_id") == "p");
}

TEST_CASE("a wait outlasts a server that cannot answer for a moment, and no refusal") {
  StubServer server;
  const Canned busy{503, R"({"detail":"not now"})", {}};
  const Canned waits{200, R"({"id":1,"status":"pending"})", {}};
  const Canned done{200, R"({"id":1,"status":"succeeded"})", {}};
  const std::string path = "GET /api/v1/admin/deliveries/1";
  server.answer_in_turn(path, {waits, busy, busy, done});
  CHECK(wait_at(server, {"wait", "1"}).exit == 0);
  server.answer_in_turn(path, {waits, busy});
  CHECK(wait_at(server, {"wait", "1", "--timeout", "100ms"}).exit == 1);
  server.answer_in_turn(path, {waits, {404, R"({"detail":"Delivery not found"})", {}}, done});
  CHECK(wait_at(server, {"wait", "1"}).exit == 3);
  server.answer_in_turn(path, {busy, done});
  CHECK(wait_at(server, {"wait", "1"}).exit == 1);
}

TEST_CASE("publish --wait asks for the event without an owner where others have the same id") {
  StubServer server;
  server.answer("POST /api/v1/events", {202, R"({"event_id":"e1","deliveries":0})", {}});
  server.answer("GET /api/v1/admin/events/e1", {409, R"({"detail":"Several events"})", {}});
  CHECK(wait_at(server, {"publish", "a.b", "--data", "{}", "--id", "e1", "--wait", "1ms"}).exit ==
        6);
  const auto seen = server.seen();
  REQUIRE(seen.size() == 4);
  CHECK(seen[1].query.empty());
  CHECK(seen[2].query == std::map<std::string, std::string>{{"tenant_id", ""}});
  CHECK(seen[3].query == std::map<std::string, std::string>{{"tenant_id", ""}, {"partner_id", ""}});
}
