#include "delivery/outcome.h"

#include <catch2/catch.hpp>

namespace webhookd {

using namespace std::chrono_literals;

namespace {

const Timestamp kNow = from_unix_millis(1'800'000'000'000);
const std::vector<std::chrono::seconds> kSchedule{5s, 300s};

SentAttempt sent(Trigger trigger = Trigger::automatic, int number = 1) {
  return {{"whk_a"}, {7}, number, 3, trigger, kNow - 1s, {{"X-A", "b"}}};
}

SendResult answer(int status, Headers headers = {}) {
  SendResult result;
  result.status = status;
  result.headers = std::move(headers);
  result.body = "text";
  result.duration = 12ms;
  return result;
}

SendResult fault(ErrorKind kind, std::optional<int> status = std::nullopt) {
  SendResult result;
  result.status = status;
  result.error = DeliveryError{kind, "so it went"};
  return result;
}

Outcome judged(SendResult ended, Trigger trigger = Trigger::automatic, int number = 1) {
  return judge(sent(trigger, number), std::move(ended), {kSchedule, 0}, kNow);
}

}  // namespace

TEST_CASE("2xx is a success, with everything about the attempt kept") {
  const int status = GENERATE(200, 201, 204, 299);
  const AttemptResult result = judged(answer(status, {{"X", "y"}})).result;
  CHECK(result.status == DeliveryStatus::succeeded);
  CHECK_FALSE(result.attempt.error);
  CHECK(result.attempt.response_status == status);
  CHECK(result.attempt.response_body == "text");
  CHECK(result.attempt.response_headers == Headers{{"X", "y"}});
  CHECK(result.attempt.request_headers == Headers{{"X-A", "b"}});
  CHECK(result.attempt.duration == 12ms);
  CHECK(result.attempt.started_at == kNow - 1s);
  CHECK(result.delivery == DeliveryId{7});
}

TEST_CASE("any other status fails the attempt") {
  struct Case {
    int status;
    ErrorKind kind;
  };
  const auto c = GENERATE(Case{301, ErrorKind::redirect}, Case{304, ErrorKind::redirect},
                          Case{308, ErrorKind::redirect}, Case{400, ErrorKind::http_status},
                          Case{404, ErrorKind::http_status}, Case{429, ErrorKind::http_status},
                          Case{500, ErrorKind::http_status}, Case{599, ErrorKind::http_status},
                          Case{101, ErrorKind::http_status});
  const AttemptResult result = judged(answer(c.status)).result;
  CHECK(result.status == DeliveryStatus::pending);
  REQUIRE(result.attempt.error);
  CHECK(result.attempt.error->kind == c.kind);
  CHECK(result.attempt.next_attempt_at == kNow + 5s);
}

TEST_CASE("a broken transfer fails whatever its status was") {
  const AttemptResult result = judged(fault(ErrorKind::timeout, 200)).result;
  CHECK(result.status == DeliveryStatus::pending);
  CHECK(result.attempt.error->kind == ErrorKind::timeout);
  CHECK(result.attempt.response_status == 200);
}

TEST_CASE("the last attempt fails the delivery, also one by hand") {
  const Trigger trigger = GENERATE(Trigger::automatic, Trigger::manual);
  CHECK(judged(answer(500), trigger, 2).result.attempt.next_attempt_at == kNow + 300s);
  const AttemptResult last = judged(answer(500), trigger, 3).result;
  CHECK(last.status == DeliveryStatus::failed);
  CHECK_FALSE(last.attempt.next_attempt_at);
}

TEST_CASE("410 is final and disables") {
  const Outcome outcome = judged(answer(410));
  CHECK(outcome.result.status == DeliveryStatus::failed);
  CHECK(outcome.disable_reason == "the receiver answered 410 Gone");
  CHECK_FALSE(judged(answer(404)).disable_reason);
}

TEST_CASE("what the head of an answer asks for counts also when its body breaks off") {
  const Outcome gone = judged(fault(ErrorKind::protocol, 410));
  CHECK(gone.disable_reason);
  CHECK(gone.result.attempt.error->kind == ErrorKind::protocol);
  SendResult busy = fault(ErrorKind::timeout, 429);
  busy.headers = {{"Retry-After", "60"}};
  const Outcome held = judged(std::move(busy));
  REQUIRE(held.hold);
  CHECK(held.hold->until == kNow + 60s);
}

TEST_CASE("what we end ourselves took as long as it did") {
  const AttemptResult result = interrupted(sent(), "the daemon stopped", kNow);
  CHECK(result.attempt.error->kind == ErrorKind::interrupted);
  CHECK(result.attempt.duration == 1s);
}

TEST_CASE("Retry-After holds the webhook on 429 and 503 alone") {
  const Headers headers{{"RETRY-AFTER", "3600"}};
  for (const int status : {429, 503}) {
    const Outcome outcome = judged(answer(status, headers));
    REQUIRE(outcome.hold);
    CHECK(outcome.hold->until == kNow + 1h);
    CHECK(outcome.result.attempt.next_attempt_at == kNow + 1h);
  }
  const Outcome other = judged(answer(500, headers));
  CHECK_FALSE(other.hold);
  CHECK(other.result.attempt.next_attempt_at == kNow + 1h);
  CHECK_FALSE(judged(answer(429)).hold);
  CHECK_FALSE(judged(answer(200, headers)).hold);
  CHECK(judged(answer(429, {{"Retry-After", "999999999"}})).hold->until == kNow + 24h);
  CHECK(judged(answer(503, headers), Trigger::automatic, 3).hold);
}

TEST_CASE("a test is never retried and changes nothing else") {
  const Outcome outcome = judged(answer(503, {{"Retry-After", "60"}}), Trigger::test);
  CHECK(outcome.result.status == DeliveryStatus::failed);
  CHECK_FALSE(outcome.result.attempt.next_attempt_at);
  CHECK_FALSE(outcome.hold);
  CHECK_FALSE(judged(answer(410), Trigger::test).disable_reason);
  CHECK(judged(answer(200), Trigger::test).result.status == DeliveryStatus::succeeded);
}

}  // namespace webhookd
