#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/api_client.h"
#include "bench/arrivals.h"
#include "bench/bare_sender.h"
#include "bench/daemon_process.h"
#include "bench/load_generator.h"
#include "bench/publish_rig.h"
#include "bench/receiver.h"
#include "bench/report.h"
#include "bench/samples.h"

namespace webhookd::bench {
namespace {

using Catch::Contains;
using Catch::StartsWith;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A POST of an event, as webhookd would send it.
void write_delivery(std::size_t index, std::string& out) {
  out += fmt::format(
      "POST /hook HTTP/1.1\r\nHost: localhost\r\nX-ScaiKey-Event-ID: {}\r\n"
      "Content-Length: 512\r\n\r\n{}",
      event_id_of(index), event_body(index));
}

LoadPlan deliveries_to(const Receiver& receiver, std::size_t count) {
  LoadPlan plan;
  plan.target = receiver.port();
  plan.connections = 8;
  plan.requests = count;
  plan.write_request = &write_delivery;
  plan.expected_status = 200;
  plan.time_limit = milliseconds{20'000};
  return plan;
}

SendPlan posts_to(const Receiver& receiver, std::size_t count) {
  SendPlan plan;
  plan.urls = {receiver.url("/hook")};
  plan.body = event_body(0);
  plan.posts = count;
  plan.time_limit = milliseconds{20'000};
  return plan;
}

// One answer's start line, read from a raw connection.
std::string answer_to(const FileDescriptor& socket) {
  std::array<char, 4096> buffer{};
  const ssize_t count = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
  REQUIRE(count > 0);
  return {buffer.data(), static_cast<std::size_t>(count)};
}

void send_text(const FileDescriptor& socket, std::string_view text) {
  REQUIRE(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(text.size()));
}

// A program that stands in for webhookd.
class FakeDaemon {
 public:
  explicit FakeDaemon(const std::string& script) {
    std::ofstream(program()) << "#!/bin/sh\n" << script;
    std::filesystem::permissions(program(), std::filesystem::perms::owner_all);
  }
  std::filesystem::path program() const { return dir_.path() / "webhookd"; }
  const std::filesystem::path& dir() const { return dir_.path(); }

 private:
  TemporaryDir dir_{std::filesystem::temp_directory_path()};
};

// ---- receiver and load generator ----------------------------------------------------------------

TEST_CASE("the receiver gets each request of the load generator once") {
  constexpr std::size_t kRequests = 400;
  Arrivals arrivals(kRequests);
  std::atomic<std::size_t> body_bytes{0};
  Receiver receiver([&](const HttpMessage& request) {
    arrivals.record(request);
    body_bytes += request.body.size();
    return 200;
  });
  const LoadResult result = run_load(deliveries_to(receiver, kRequests));
  arrivals.wait_for(kRequests, result.ended);
  receiver.check();

  CHECK(receiver.requests() == kRequests);
  CHECK(receiver.connections() == 8);
  CHECK(body_bytes == kRequests * kEventBytes);
  REQUIRE(result.exchanges.size() == kRequests);
  for (std::size_t i = 0; i < kRequests; ++i) {
    const Exchange& exchange = result.exchanges[i];
    CHECK(exchange.due == exchange.sent);
    CHECK(exchange.sent < arrivals.at(i));
    CHECK(arrivals.at(i) < exchange.answered);
    CHECK(exchange.answered <= result.ended);
  }
}

TEST_CASE("requests are due by the schedule, however late they are sent") {
  constexpr std::size_t kRequests = 100;
  Receiver receiver;
  LoadPlan plan = deliveries_to(receiver, kRequests);
  plan.interval = milliseconds{1};
  const LoadResult result = run_load(plan);

  REQUIRE(result.exchanges.size() == kRequests);
  for (std::size_t i = 0; i < kRequests; ++i) {
    CHECK(result.exchanges[i].due == result.began + milliseconds{static_cast<long>(i)});
    CHECK(result.exchanges[i].sent >= result.exchanges[i].due);
  }
}

TEST_CASE("no request starts after the time at which the load is to stop") {
  Receiver receiver;
  LoadPlan plan = deliveries_to(receiver, 1000);
  plan.interval = milliseconds{10};
  plan.stop_after = milliseconds{55};
  const LoadResult result = run_load(plan);
  CHECK(result.exchanges.size() <= 6);
  CHECK(receiver.requests() == result.exchanges.size());
}

TEST_CASE("an unexpected status ends the load with the answer's status") {
  Receiver receiver([](const HttpMessage&) { return 503; });
  CHECK_THROWS_WITH(run_load(deliveries_to(receiver, 10)), Contains("HTTP/1.1 503"));
}

TEST_CASE("a load that is not answered ends at its time limit") {
  Receiver receiver([](const HttpMessage&) { return kNoAnswer; });
  LoadPlan plan = deliveries_to(receiver, 10);
  plan.time_limit = milliseconds{50};
  CHECK_THROWS_WITH(run_load(plan), Contains("0 of 8 requests were answered"));
}

TEST_CASE("a request in pieces is one request, and two in one piece are two") {
  Receiver receiver;
  const FileDescriptor socket = connect_to(Address{receiver.port()});
  std::string text;
  write_delivery(0, text);
  for (const char c : text) send_text(socket, {&c, 1});
  CHECK_THAT(answer_to(socket), StartsWith("HTTP/1.1 200 OK\r\n"));
  CHECK(receiver.requests() == 1);

  send_text(socket, text + text);
  std::string answers = answer_to(socket);
  while (answers.find("200", answers.find("200") + 1) == std::string::npos) {
    answers += answer_to(socket);
  }
  CHECK(receiver.requests() == 3);
}

TEST_CASE("the receiver says what it could not read") {
  Receiver receiver;
  const FileDescriptor socket = connect_to(Address{receiver.port()});
  send_text(socket, "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n");
  std::array<char, 16> buffer{};
  CHECK(::recv(socket.get(), buffer.data(), buffer.size(), 0) <= 0);
  CHECK_THROWS_WITH(receiver.check(), Contains("unusable Content-Length: many"));
}

// ---- bare sender --------------------------------------------------------------------------------

TEST_CASE("the bare sender and the receiver agree on the count and use connections again") {
  constexpr std::size_t kPosts = 500;
  std::atomic<std::size_t> as_planned{0};
  Receiver receiver([&](const HttpMessage& request) {
    const bool same = request.start_line == "POST /hook HTTP/1.1" &&
                      request.body == event_body(0) &&
                      request.header("content-type") == "application/json";
    if (same) ++as_planned;
    return 200;
  });
  const SendResult result = run_bare_sender(posts_to(receiver, kPosts));
  receiver.check();
  CHECK(result.posts == kPosts);
  CHECK(receiver.requests() == kPosts);
  CHECK(as_planned == kPosts);
  CHECK(receiver.connections() <= 64);
}

TEST_CASE("the bare sender posts to its URLs in turn") {
  std::array<std::atomic<std::size_t>, 3> posts{};
  Receiver receiver([&](const HttpMessage& request) {
    for (std::size_t i = 0; i < posts.size(); ++i) {
      if (request.start_line == fmt::format("POST /hook/{} HTTP/1.1", i)) ++posts[i];
    }
    return 200;
  });
  SendPlan plan = posts_to(receiver, 300);
  plan.urls.clear();
  for (std::size_t i = 0; i < posts.size(); ++i) {
    plan.urls.push_back(receiver.url(fmt::format("/hook/{}", i)));
  }
  CHECK(run_bare_sender(plan).posts == 300);
  for (const auto& count : posts) CHECK(count == 100);
}

TEST_CASE("the bare sender fails on any answer but 200, and at its time limit") {
  Receiver refusing([](const HttpMessage&) { return 500; });
  CHECK_THROWS_WITH(run_bare_sender(posts_to(refusing, 10)), Contains("answered 500"));

  Receiver silent([](const HttpMessage&) { return kNoAnswer; });
  SendPlan plan = posts_to(silent, 10);
  plan.time_limit = milliseconds{50};
  CHECK_THROWS_WITH(run_bare_sender(plan), Contains("0 of 10 posts were answered"));
}

// ---- matching and figures -----------------------------------------------------------------------

TEST_CASE("an event that arrives twice, or was never sent, is a failure") {
  Arrivals arrivals(2);
  std::string text;
  write_delivery(1, text);
  arrivals.record(first_message(text).value());
  CHECK(arrivals.distinct() == 1);
  CHECK_THROWS_WITH(arrivals.wait_for(2, steady_clock::now()), Contains("only 1 of 2"));

  arrivals.record(first_message(text).value());
  CHECK_THROWS_WITH(arrivals.wait_for(1, steady_clock::now()), Contains("twice"));

  Arrivals none(1);
  none.record(first_message(text).value());
  CHECK_THROWS_WITH(none.wait_for(0, steady_clock::now()), Contains("never sent"));
}

TEST_CASE("a publish request holds an event of exactly 512 bytes with the id of its index") {
  const PublishRequest write("token", {});
  std::string text = "before";
  write(7, text);
  const auto request = first_message(std::string_view{text}.substr(6));
  REQUIRE(request);
  CHECK(request->size == text.size() - 6);
  CHECK(request->header("authorization") == "Bearer token");
  CHECK(request->body == event_body(7));
  CHECK(request->body.size() == kEventBytes);
  const Json event = Json::parse(request->body);
  CHECK(event.at("event_id") == event_id_of(7));
}

TEST_CASE("a batch holds the events of its place, each with its tenant, one a line") {
  const PublishRequest write("token", {PublishRequest::Form::batch, 3, 5, 100});
  std::string text;
  write(2, text);
  const auto request = first_message(text);
  REQUIRE(request);
  CHECK(request->size == text.size());
  CHECK(request->start_line == "POST /api/v1/events/batch HTTP/1.1");
  CHECK(request->header("content-type") == "application/x-ndjson");
  std::istringstream lines{std::string{request->body}};
  for (const std::size_t index : {106, 107, 108}) {
    std::string line;
    REQUIRE(std::getline(lines, line));
    CHECK(line == event_body(index, 5));
    CHECK(line.size() == kEventBytes);
    CHECK(Json::parse(line).at("event_id") == event_id_of(index));
    CHECK(Json::parse(line).at("tenant_id") == tenant_of(index % 5));
  }
}

TEST_CASE("a percentile is a sample: the one at its rank") {
  Samples samples;
  for (int value = 200; value >= 1; --value) samples.add_number(value);
  CHECK(samples.smallest() == 1);
  CHECK(samples.median() == 100);
  CHECK(samples.percentile(99) == 198);
  CHECK(samples.percentile(99.9) == 200);
  CHECK(samples.largest() == 200);
  CHECK_THROWS_WITH(Samples{}.median(), Contains("nothing was measured"));
}

TEST_CASE("the report says of each goal whether it was met") {
  Report measured;
  measured.rows = {
      {"ratio", 0.25, "x", Goal{Goal::Side::at_least, 0.25}, "note"},
      {"p99", 25.1, "ms", Goal{Goal::Side::at_most, 25}, ""},
      {"rate", 12345.6, "/s", std::nullopt, ""},
  };
  measured.failed = {{"latency", "no daemon"}};
  const Json report = report_json(measured);
  CHECK(report.at("rows").at(0).at("met") == true);
  CHECK(report.at("rows").at(0).at("goal").at("at_least") == 0.25);
  CHECK(report.at("rows").at(1).at("met") == false);
  CHECK(report.at("rows").at(1).at("goal").at("at_most") == 25);
  CHECK(report.at("rows").at(2).at("goal").is_null());
  CHECK(report.at("rows").at(2).at("met").is_null());
  CHECK(report.at("failed").at(0).at("scenario") == "latency");
  CHECK_THAT(table_text(measured), Contains(">= 0.25 met") && Contains("<= 25 MISSED") &&
                                       Contains("latency: not measured: no daemon"));
}

// ---- daemon and API -----------------------------------------------------------------------------

TEST_CASE("a daemon is started with a state directory of its own, stopped and cleaned up") {
  const FakeDaemon fake(
      "echo \"flags $*\" >&2\n"
      "echo 'listening on http://127.0.0.1:4711' >&2\n"
      "trap 'exit 0' TERM\n"
      "echo ready >&2\n"
      "while :; do sleep 0.01; done\n");
  std::filesystem::path home;
  {
    const TemporaryDir dir(fake.dir());
    home = dir.path();
    DaemonProcess daemon(fake.program(), home, {"--loops", "1"});
    CHECK(daemon.socket().parent_path() == home);
    CHECK(daemon.port() == 4711);
    CHECK_THAT(daemon.log(), Contains("--state-dir " + state_dir_in(home).string()) &&
                                 Contains("--listen 127.0.0.1:0") && Contains("--loops 1"));
    CHECK(daemon.resident_mib() > 0.1);
    CHECK(daemon.peak_mib() >= daemon.resident_mib());
    daemon.stop();
  }
  CHECK(!std::filesystem::exists(home));
}

TEST_CASE("a daemon started where another has ended is ready when it says so itself") {
  const FakeDaemon fake(
      "echo 'listening on http://127.0.0.1:4711' >&2\n"
      "if [ -e \"$HOME/again\" ]; then exec sleep 60; fi\n"
      "touch \"$HOME/again\"\n"
      "echo ready >&2\n"
      "exec sleep 60\n");
  DaemonProcess(fake.program(), fake.dir()).kill_now();
  CHECK_THROWS_WITH(DaemonProcess(fake.program(), fake.dir(), {}, milliseconds{50}),
                    Contains("not ready after 50 ms"));
}

TEST_CASE("a daemon that ends before it is ready fails with what it said") {
  const FakeDaemon fake("echo 'error: no luck' >&2; exit 3\n");
  CHECK_THROWS_WITH(DaemonProcess(fake.program(), fake.dir()),
                    Contains("ended with 3") && Contains("error: no luck"));
}

TEST_CASE("a daemon that never gets ready is given up and killed") {
  const FakeDaemon fake("exec sleep 60\n");
  CHECK_THROWS_WITH(DaemonProcess(fake.program(), fake.dir(), {}, milliseconds{50}),
                    Contains("not ready after 50 ms"));
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // there is no child left
}

TEST_CASE("a daemon that ends badly when it is stopped is a failure") {
  const FakeDaemon fake(
      "trap 'exit 9' TERM\n"
      "echo 'listening on http://127.0.0.1:4711' >&2\n"
      "echo ready >&2\n"
      "while :; do sleep 0.01; done\n");
  DaemonProcess daemon(fake.program(), fake.dir());
  CHECK_THROWS_WITH(daemon.stop(), Contains("ended with 9"));
}

TEST_CASE("the API client fails on an answer that is no success") {
  Receiver receiver([](const HttpMessage&) { return 404; });
  ApiClient client(Address{receiver.port()}, "token");
  CHECK_THROWS_WITH(client.get("/nothing"), Contains("GET /nothing: HTTP/1.1 404"));
}

}  // namespace
}  // namespace webhookd::bench
