#include "delivery/request.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "delivery/fake_store.h"

namespace webhookd {

using namespace std::chrono_literals;

namespace {

const RequestStyle kStyle{"ScaiKey-Webhook/1.0", "X-ScaiKey"};
const Timestamp kSendTime = from_unix_millis(1'614'265'330'999);
const Secret kFirst{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
const Secret kSecond{"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"};
const Secret kOwn{"a secret of the caller's own"};
const std::string kBody = R"({"test": 2432232314})";

ClaimedDelivery delivery() {
  ClaimedDelivery claimed;
  claimed.id = {4711};
  claimed.event_id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  claimed.event_type = "user.created";
  claimed.attempt_number = 3;
  claimed.body = kBody;
  return claimed;
}

SendRequest build(const Endpoint& endpoint) {
  ClaimedDelivery claimed = delivery();
  return build_request(kStyle, endpoint, claimed, kSendTime);
}

std::optional<std::string> value(const Headers& headers, const std::string& name) {
  for (const auto& [key, text] : headers) {
    if (key == name) return text;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a request has exactly the headers of the contract") {
  const SendRequest built = build(make_endpoint('a', "http://192.0.2.1/hook"));
  const Headers expected{
      {"Content-Type", "application/json"},
      {"User-Agent", "ScaiKey-Webhook/1.0"},
      {"X-ScaiKey-Webhook-ID", "4711"},
      {"X-ScaiKey-Event-ID", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
      {"X-ScaiKey-Event-Type", "user.created"},
      {"X-ScaiKey-Timestamp", "1614265330"},
      {"X-ScaiKey-Signature", scaikey_signature({kFirst}, 1614265330, kBody)},
      {"X-ScaiKey-Attempt", "3"},
      {"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
      {"webhook-timestamp", "1614265330"},
      {"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
  };
  CHECK(built.headers == expected);
  CHECK(shown_headers(built.headers, make_endpoint('a')) == expected);
  CHECK(built.body == kBody);
  CHECK(built.url == "http://192.0.2.1/hook");
  CHECK(built.timeout == 15s);
}

TEST_CASE("until the previous secret expires both sign, the new one first") {
  Endpoint endpoint = make_endpoint('a');
  endpoint.secret = kSecond;
  endpoint.previous_secret = kFirst;
  endpoint.previous_secret_expires_at = kSendTime + 1ms;
  const Headers both = build(endpoint).headers;
  CHECK(value(both, "X-ScaiKey-Signature") ==
        scaikey_signature({kSecond, kFirst}, 1614265330, kBody));
  CHECK(value(both, "webhook-signature") ==
        standard_signature({kSecond, kFirst}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, kBody));

  endpoint.previous_secret_expires_at = kSendTime;
  CHECK(value(build(endpoint).headers, "X-ScaiKey-Signature") ==
        scaikey_signature({kSecond}, 1614265330, kBody));
}

TEST_CASE("a secret of the caller's own has no Standard Webhooks headers") {
  Endpoint endpoint = make_endpoint('a');
  endpoint.secret = kOwn;
  const Headers headers = build(endpoint).headers;
  CHECK_FALSE(value(headers, "webhook-id"));
  CHECK_FALSE(value(headers, "webhook-timestamp"));
  CHECK_FALSE(value(headers, "webhook-signature"));
  CHECK(value(headers, "X-ScaiKey-Signature") == scaikey_signature({kOwn}, 1614265330, kBody));
}

TEST_CASE("rotating from a whsec_ secret to an own one, the old one signs until it expires") {
  Endpoint endpoint = make_endpoint('a');
  endpoint.secret = kOwn;
  endpoint.previous_secret = kFirst;
  endpoint.previous_secret_expires_at = kSendTime + 1h;
  const Headers headers = build(endpoint).headers;
  CHECK(value(headers, "webhook-signature") == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  CHECK(value(headers, "X-ScaiKey-Signature") ==
        scaikey_signature({kOwn, kFirst}, 1614265330, kBody));
  endpoint.previous_secret_expires_at = kSendTime;
  CHECK_FALSE(value(build(endpoint).headers, "webhook-signature"));
}

TEST_CASE("rotating from an own secret to a whsec_ one signs what can be signed") {
  Endpoint endpoint = make_endpoint('a');
  endpoint.previous_secret = kOwn;
  endpoint.previous_secret_expires_at = kSendTime + 1h;
  CHECK(value(build(endpoint).headers, "webhook-signature") ==
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_CASE("the webhook's own headers are sent clear and shown masked") {
  Endpoint endpoint = make_endpoint('a');
  endpoint.headers = {{"Authorization", "Bearer abc"}, {"X-Team", "blue"}};
  const SendRequest built = build(endpoint);
  CHECK(value(built.headers, "Authorization") == "Bearer abc");
  const Headers shown = shown_headers(built.headers, endpoint);
  CHECK(value(shown, "Authorization") == "***");
  CHECK(value(shown, "X-Team") == "blue");
  CHECK(value(shown, "X-ScaiKey-Event-Type") == "user.created");
}

TEST_CASE("prefix and user agent are the configured ones") {
  ClaimedDelivery claimed = delivery();
  const Headers headers =
      build_request({"Acme/2", "X-Acme"}, make_endpoint('a'), claimed, kSendTime).headers;
  CHECK(value(headers, "X-Acme-Attempt") == "3");
  CHECK(value(headers, "User-Agent") == "Acme/2");
  CHECK_FALSE(value(headers, "X-ScaiKey-Attempt"));
}

}  // namespace webhookd
