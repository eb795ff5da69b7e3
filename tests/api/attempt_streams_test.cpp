// The stream of finished attempts, from the request to the bytes, without doors.

#include "api/attempt_streams.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

#include "api/api_fixture.h"
#include "support/patience.h"

namespace webhookd {
namespace {

const std::string kStream = "/api/v1/admin/deliveries/stream";

// The other end of a stream.
class Listener {
 public:
  // `room`: bytes that may lie unread; 0: as many as usual.
  explicit Listener(const Reply& reply, int room = 0) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    if (room > 0) {
      REQUIRE(::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
    }
    socket_ = FileDescriptor(ends[0]);
    REQUIRE(reply.response.hand_over);
    reply.response.hand_over(FileDescriptor(ends[1]));
  }

  bool hears(std::string_view text) {
    while (text_.find(text) == std::string::npos) {
      if (!read_more()) return false;
    }
    return true;
  }

  bool sees_end() {
    while (read_more()) {
    }
    return ended_;
  }

  // The other side leaves while nothing is read. It may have found room once more before it notices
  // that `time_passes`, so time does several times.
  bool is_cut_off(const std::function<void()>& time_passes) {
    for (int i = 0; i < 100; ++i) {
      time_passes();
      pollfd left{socket_.get(), 0, 0};
      if (::poll(&left, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()) / 100) ==
          1) {
        return true;
      }
    }
    return false;
  }

  const std::string& text() const { return text_; }

 private:
  // False at the end, and when patience is over.
  bool read_more() {
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0)
      return false;
    char bytes[4096];
    const ssize_t count = ::read(socket_.get(), bytes, sizeof(bytes));
    ended_ = count <= 0;
    if (count > 0) text_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }

  FileDescriptor socket_;
  std::string text_;
  bool ended_ = false;
};

// Time in which the streams look for new attempts.
void let_look(ApiFixture& api) { api.clock.advance(std::chrono::milliseconds{50}); }

// One more delivery of `webhook` that has ended.
void deliver(ApiFixture& api, const std::string& webhook) {
  REQUIRE(api.send("POST", "/api/v1/events", R"({"event_type":"user.created","data":{}})").status ==
          202);
  QueueTurn turn;
  turn.claims.push_back({WebhookId{webhook}, 1});
  const auto claimed = api.store->queue_turn(turn, api.clock.now());
  turn = {};
  for (const ClaimedDelivery& delivery : claimed.claims.at(0).deliveries) {
    AttemptResult result;
    result.delivery = delivery.id;
    result.webhook = WebhookId{webhook};
    result.attempt.started_at = api.clock.now();
    turn.results.push_back(result);
  }
  api.store->queue_turn(turn, api.clock.now());
}

}  // namespace

TEST_CASE("a stream begins with its head and place, and goes on with what happens") {
  ApiFixture api;
  const std::string webhook = api.create();
  deliver(api, webhook);
  Listener listener(api.send("GET", kStream));
  CHECK(listener.hears("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
  CHECK(listener.hears("\r\nX-Request-ID: req-1\r\n"));
  CHECK(listener.hears("\r\n\r\n: heartbeat\nid: 1\n\n"));
  deliver(api, webhook);
  let_look(api);
  CHECK(listener.hears("event: attempt\nid: 2\ndata: {\"id\":2,\"delivery_id\":2,"));
  CHECK(listener.text().find("\"delivery_id\":1,") == std::string::npos);
}

TEST_CASE("an attempt is one line of JSON, whatever its error says") {
  FinishedAttempt attempt;
  attempt.id = AttemptId{7};
  attempt.webhook = WebhookId{"whk_0123456789abcdef"};
  attempt.error = DeliveryError{ErrorKind::tls, "a \"name\"\nwith \x1b[31m and \xC3\xA9"};
  attempt.status = DeliveryStatus::failed;
  const std::string message = attempt_message(attempt);
  const std::string start = "event: attempt\nid: 7\ndata: ";
  REQUIRE(message.starts_with(start));
  REQUIRE(message.ends_with("}\n\n"));
  const std::string data = message.substr(start.size(), message.size() - start.size() - 2);
  CHECK(data.find('\n') == std::string::npos);
  const Json json = Json::parse(data);
  CHECK(json["error"] == Json({{"kind", "tls"}, {"message", attempt.error->message}}));
  CHECK(json["response_status"].is_null());
  CHECK(json["next_attempt_at"].is_null());
  CHECK(json["status"] == "failed");
}

TEST_CASE("a token's end is its stream's end") {
  ApiFixture api;
  const Caller tenant = api.bearer({{"role", "tenant_admin"}, {"tenant_id", "t1"}});
  Listener listener(api.send("GET", kStream, "", tenant));
  CHECK(listener.hears("id: 0\n\n"));
  api.clock.advance(std::chrono::hours{2});
  CHECK(listener.sees_end());
}

TEST_CASE("a stream for one webhook ends when that is deleted, and no other stream does") {
  ApiFixture api;
  const std::string gone = api.create();
  Json body = webhook_body();
  body["name"] = "kept";
  const std::string kept = api.create(body);
  Listener of_gone(api.send("GET", kStream + "?webhook_id=" + gone));
  Listener of_kept(api.send("GET", kStream + "?webhook_id=" + kept));
  Listener of_all(api.send("GET", kStream));
  CHECK(of_gone.hears("heartbeat"));
  REQUIRE(api.send("DELETE", kWebhooks + "/" + gone).status == 204);
  api.clock.advance(std::chrono::seconds{1});
  CHECK(of_gone.sees_end());
  CHECK(api.send("GET", kStream + "?webhook_id=" + gone).status == 404);
  deliver(api, kept);
  let_look(api);
  CHECK(of_kept.hears("event: attempt\n"));
  CHECK(of_all.hears("event: attempt\n"));
}

TEST_CASE("a stream for one webhook ends when another tenant gets that") {
  ApiFixture api;
  const Caller tenant = api.bearer({{"role", "tenant_admin"}, {"tenant_id", "t1"}});
  Json body = webhook_body();
  body["tenant_id"] = "t1";
  const std::string webhook = api.create(body);
  Listener listener(api.send("GET", kStream + "?webhook_id=" + webhook, "", tenant));
  CHECK(listener.hears("heartbeat"));
  REQUIRE(api.send("PATCH", kWebhooks + "/" + webhook, R"({"tenant_id":"t2"})").status == 200);
  api.clock.advance(std::chrono::seconds{1});
  CHECK(listener.sees_end());
}

TEST_CASE("a stream on which nothing happens beats every 15 seconds, and says where it is") {
  ApiFixture api;
  const std::string webhook = api.create();
  Listener listener(api.send("GET", kStream + "?status=failed"));
  CHECK(listener.hears("heartbeat\nid: 0\n\n"));
  deliver(api, webhook);
  api.clock.advance(std::chrono::seconds{15});
  CHECK(listener.hears("\n\n: heartbeat\nid: 1\n\n"));
}

TEST_CASE("a reader who takes nothing for half a minute has had its stream") {
  ApiFixture api;
  const std::string webhook = api.create();
  // More than its socket holds.
  for (int i = 0; i < 60; ++i) deliver(api, webhook);
  Listener listener(api.send("GET", kStream + "?since_id=0"), 1024);
  CHECK(listener.hears("\"delivery_id\":1,"));
  api.clock.advance(std::chrono::seconds{20});
  CHECK(listener.hears("\"delivery_id\":20,"));
  CHECK(listener.is_cut_off([&] { api.clock.advance(std::chrono::seconds{31}); }));
  CHECK(listener.sees_end());
  CHECK(listener.text().find("\"delivery_id\":60,") == std::string::npos);
}

TEST_CASE("where a door may have few connections it may have few streams") {
  ApiOptions options;
  options.connections = 8;
  ApiFixture api(options);
  std::vector<Reply> replies;
  for (int i = 0; i < 2; ++i) replies.push_back(api.send("GET", kStream));
  CHECK(replies.back().status == 200);
  CHECK(api.send("GET", kStream).status == 429);
}

TEST_CASE("each door has 64 streams at most, and a place is free when a stream has gone") {
  ApiFixture api;
  std::vector<Reply> replies;
  for (int i = 0; i < 64; ++i) {
    replies.push_back(api.send("GET", kStream));
    REQUIRE(replies.back().status == 200);
  }
  const Reply refused = api.send("GET", kStream);
  CHECK(refused.status == 429);
  CHECK(refused.header("Retry-After") == "5");
  const Caller other = api.bearer({{"role", "super_admin"}});
  CHECK(api.send("GET", kStream, "", other).status == 200);
  replies.pop_back();
  CHECK(api.send("GET", kStream).status == 200);
}

TEST_CASE("HEAD opens no stream, and nothing opens one once the daemon stops") {
  ApiFixture api;
  CHECK_FALSE(api.send("HEAD", kStream).response.hand_over);
  Listener before(api.send("GET", kStream));
  CHECK(before.hears("heartbeat"));
  api.handler->begin_stop();
  CHECK(before.sees_end());
  Listener after(api.send("GET", kStream));
  CHECK(after.sees_end());
}

}  // namespace webhookd
