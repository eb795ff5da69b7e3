#include "shared/model_json.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "shared/encoding.h"

using namespace webhookd;
using namespace std::chrono_literals;

namespace {

const Timestamp kNow = from_unix_millis(1'795'424'400'000);
constexpr auto* kNowText = "2026-11-23T09:00:00.000Z";
const std::string kReplaced = "\xEF\xBF\xBD";

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

Webhook example_webhook() {
  Webhook webhook;
  webhook.id = {"whk_0123456789abcdef"};
  webhook.settings.name = "a.example";
  webhook.settings.url = "https://a.example/hook";
  webhook.settings.events = {"user.*", "group.created"};
  webhook.secret_hint = "LaSw";
  webhook.secret_fingerprint = "5009f993";
  webhook.created_at = kNow;
  webhook.updated_at = kNow + 1ms;
  return webhook;
}

Delivery example_delivery() {
  Delivery delivery;
  delivery.id = {7};
  delivery.webhook_id = {"whk_0123456789abcdef"};
  delivery.event_id = "evt_1";
  delivery.event_type = "user.created";
  delivery.created_at = kNow;
  return delivery;
}

const std::vector<std::string> kDeliveryKeys = {"id",           "webhook_id",      "event_id",
                                                "event_type",   "status",          "attempt_count",
                                                "max_attempts", "next_attempt_at", "created_at",
                                                "completed_at", "response_status", "duration_ms",
                                                "error"};

}  // namespace

TEST_CASE("each enumerator's name is read back as itself") {
  for (const auto value : {WebhookStatus::active, WebhookStatus::paused, WebhookStatus::disabled}) {
    CHECK(parse_webhook_status(to_string(value)) == value);
  }
  for (const auto value :
       {DeliveryStatus::pending, DeliveryStatus::in_flight, DeliveryStatus::succeeded,
        DeliveryStatus::failed, DeliveryStatus::cancelled}) {
    CHECK(parse_delivery_status(to_string(value)) == value);
  }
  for (const auto value : {Trigger::automatic, Trigger::manual, Trigger::test}) {
    CHECK(parse_trigger(to_string(value)) == value);
  }
  for (const auto value : {ErrorKind::dns, ErrorKind::connect, ErrorKind::tls, ErrorKind::timeout,
                           ErrorKind::blocked_address, ErrorKind::http_status, ErrorKind::redirect,
                           ErrorKind::protocol, ErrorKind::interrupted, ErrorKind::expired}) {
    CHECK(parse_error_kind(to_string(value)) == value);
  }
  CHECK(to_string(DeliveryStatus::in_flight) == "in_flight");
  CHECK(to_string(ErrorKind::blocked_address) == "blocked_address");
  CHECK(to_string(CircuitState::half_open) == "half_open");
}

TEST_CASE("a name that is no enumerator's is absent") {
  CHECK_FALSE(parse_webhook_status("Active"));
  CHECK_FALSE(parse_delivery_status(""));
  CHECK_FALSE(parse_trigger("auto"));
  CHECK_FALSE(parse_error_kind("dns "));
}

TEST_CASE("a webhook shows its settings first, then what is read only") {
  const Json json = to_json(example_webhook(), {});
  CHECK(keys_of(json) == std::vector<std::string>{"id",
                                                  "name",
                                                  "description",
                                                  "url",
                                                  "events",
                                                  "status",
                                                  "tenant_id",
                                                  "partner_id",
                                                  "headers",
                                                  "timeout_seconds",
                                                  "retry_schedule",
                                                  "max_in_flight",
                                                  "rate_limit_per_second",
                                                  "ordered",
                                                  "metadata",
                                                  "expires_at",
                                                  "secret_hint",
                                                  "secret_fingerprint",
                                                  "circuit",
                                                  "held_until",
                                                  "hold_reason",
                                                  "backlog",
                                                  "head_delivery_id",
                                                  "disabled_reason",
                                                  "disabled_at",
                                                  "consecutive_failures",
                                                  "last_success_at",
                                                  "last_failure_at",
                                                  "created_at",
                                                  "updated_at"});
}

TEST_CASE("a new webhook shows its defaults, and null for what is not set") {
  const Json json = to_json(example_webhook(), {});
  CHECK(json["events"] == Json::array({"user.*", "group.created"}));
  CHECK(json["status"] == "active");
  CHECK(json["headers"] == Json::object());
  CHECK(json["metadata"] == Json::object());
  CHECK(json["timeout_seconds"] == 15);
  CHECK(json["max_in_flight"] == 16);
  CHECK(json["ordered"] == false);
  CHECK(json["circuit"].dump() == R"({"state":"closed","next_probe_at":null})");
  CHECK(json["backlog"] == 0);
  CHECK(json["created_at"] == kNowText);
  CHECK(json["updated_at"] == "2026-11-23T09:00:00.001Z");
  for (const auto* key :
       {"description", "tenant_id", "partner_id", "retry_schedule", "rate_limit_per_second",
        "expires_at", "held_until", "hold_reason", "head_delivery_id", "disabled_reason",
        "disabled_at", "last_success_at", "last_failure_at"}) {
    CAPTURE(key);
    CHECK(json[key].is_null());
  }
}

TEST_CASE("a webhook shows everything that is set") {
  Webhook webhook = example_webhook();
  webhook.settings.description = "what it is for";
  webhook.settings.status = WebhookStatus::disabled;
  webhook.settings.binding = {"tnt_1", "prt_1"};
  webhook.settings.retry_schedule = {5s, 300s};
  webhook.settings.rate_limit_per_second = 0.5;
  webhook.settings.ordered = true;
  webhook.settings.metadata = {{"team", "core"}};
  webhook.settings.expires_at = kNow;
  webhook.disabled_reason = "410";
  webhook.disabled_at = kNow;
  webhook.backlog = 3;
  webhook.head_delivery_id = DeliveryId{9};
  webhook.health.consecutive_failures = 4;
  webhook.health.last_success_at = kNow;
  webhook.health.last_failure_at = kNow + 1s;
  const Json json = to_json(webhook, {CircuitState::open, kNow, kNow, "Retry-After"});
  CHECK(json["description"] == "what it is for");
  CHECK(json["status"] == "disabled");
  CHECK(json["tenant_id"] == "tnt_1");
  CHECK(json["partner_id"] == "prt_1");
  CHECK(json["retry_schedule"] == Json::array({5, 300}));
  CHECK(json["rate_limit_per_second"] == 0.5);
  CHECK(json["ordered"] == true);
  CHECK(json["metadata"].dump() == R"({"team":"core"})");
  CHECK(json["expires_at"] == kNowText);
  CHECK(json["circuit"]["state"] == "open");
  CHECK(json["circuit"]["next_probe_at"] == kNowText);
  CHECK(json["held_until"] == kNowText);
  CHECK(json["hold_reason"] == "Retry-After");
  CHECK(json["backlog"] == 3);
  CHECK(json["head_delivery_id"] == 9);
  CHECK(json["disabled_reason"] == "410");
  CHECK(json["disabled_at"] == kNowText);
  CHECK(json["consecutive_failures"] == 4);
  CHECK(json["last_success_at"] == kNowText);
  CHECK(json["last_failure_at"] == "2026-11-23T09:00:01.000Z");
}

TEST_CASE("an empty retry schedule is no null") {
  Webhook webhook = example_webhook();
  webhook.settings.retry_schedule.emplace();
  CHECK(to_json(webhook, {})["retry_schedule"] == Json::array());
}

TEST_CASE("a webhook's secret headers are masked and the others are not") {
  Webhook webhook = example_webhook();
  webhook.settings.headers = {{"Authorization", "Bearer hunter2"}, {"X-Team", "core"}};
  const Json json = to_json(webhook, {});
  CHECK(json["headers"].dump() == R"({"Authorization":"***","X-Team":"core"})");
}

TEST_CASE("a delivery shows null for what has not happened") {
  const Json json = to_json(example_delivery());
  CHECK(keys_of(json) == kDeliveryKeys);
  CHECK(json["id"] == 7);
  CHECK(json["status"] == "pending");
  for (const auto* key :
       {"next_attempt_at", "completed_at", "response_status", "duration_ms", "error"}) {
    CAPTURE(key);
    CHECK(json[key].is_null());
  }
}

TEST_CASE("a failed delivery shows how it ended") {
  Delivery delivery = example_delivery();
  delivery.status = DeliveryStatus::failed;
  delivery.attempt_count = 3;
  delivery.max_attempts = 3;
  delivery.completed_at = kNow;
  delivery.response_status = 500;
  delivery.duration = 12ms;
  delivery.error = DeliveryError{ErrorKind::http_status, "the endpoint answered 500\xFF"};
  const Json json = to_json(delivery);
  CHECK(json["completed_at"] == kNowText);
  CHECK(json["response_status"] == 500);
  CHECK(json["duration_ms"] == 12);
  CHECK(json["error"].dump() ==
        R"({"kind":"http_status","message":"the endpoint answered 500)" + kReplaced + "\"}");
}

TEST_CASE("an attempt shows its timings, addresses and headers") {
  Attempt attempt;
  attempt.id = {3};
  attempt.number = 2;
  attempt.trigger = Trigger::manual;
  attempt.started_at = kNow;
  attempt.request_headers = {{"X-ScaiKey-Signature", "t=1,v1=ab"}, {"X-Api-Key", "***"}};
  attempt.duration = 40ms;
  attempt.timings.dns = 1ms;
  attempt.timings.first_byte = 30ms;
  attempt.remote_address = "192.0.2.1:443";
  attempt.response_status = 200;
  attempt.response_headers = {{"Via", "a"}, {"Set-Cookie", "hunter2"}, {"Via", "b"}};
  attempt.response_body = "caf\xC3\xA9";
  const Json json = to_json(attempt);
  CHECK(keys_of(json) ==
        std::vector<std::string>{"id", "number", "trigger", "started_at", "request_headers",
                                 "duration_ms", "timings", "remote_address", "response_status",
                                 "response_headers", "response_body", "error", "next_attempt_at"});
  CHECK(json["request_headers"].dump() ==
        R"({"X-ScaiKey-Signature":"t=1,v1=ab","X-Api-Key":"***"})");
  CHECK(json["response_headers"].dump() == R"({"Via":"a, b","Set-Cookie":"***"})");
  CHECK(json["timings"].dump() ==
        R"({"dns_ms":1,"connect_ms":null,"tls_ms":null,"first_byte_ms":30})");
  CHECK(json["trigger"] == "manual");
  CHECK(json["response_body"] == "caf\xC3\xA9");
  CHECK(json["error"].is_null());
  CHECK(json["next_attempt_at"].is_null());
}

TEST_CASE("a secret header that came twice stays masked") {
  Attempt attempt;
  attempt.response_headers = {{"Set-Cookie", "a"}, {"Set-Cookie", "b"}};
  CHECK(to_json(attempt)["response_headers"].dump() == R"({"Set-Cookie":"***"})");
}

TEST_CASE("a response body that is no UTF-8 is shown in base64") {
  Attempt attempt;
  attempt.response_body = std::string("\x00\xFF", 2);
  const Json json = to_json(attempt);
  CHECK(json["response_body"] == "AP8=");
  CHECK(json["response_body_encoding"] == "base64");
}

TEST_CASE("a kept body that was cut within a character is still text") {
  Attempt attempt;
  attempt.response_body = std::string(kKeptResponseBytes - 2, 'x') + "\xE2\x82";
  const Json json = to_json(attempt);
  CHECK(json["response_body"] == std::string(kKeptResponseBytes - 2, 'x'));
  CHECK_FALSE(json.contains("response_body_encoding"));
  attempt.response_body.erase(0, 1);  // shorter than what is kept: nothing was cut
  CHECK(to_json(attempt)["response_body_encoding"] == "base64");
}

TEST_CASE("whatever an endpoint sends can be written as JSON") {
  Attempt attempt;
  attempt.request_headers = {{"X-A\xFF", "\xC3"}};
  attempt.response_headers = {{"X-\xFE", "a\xFF"}, {"X-\xFE", "\xED\xA0\x80"}};
  attempt.response_body = "\xFF";
  attempt.remote_address = "\xFF";
  attempt.error = DeliveryError{ErrorKind::protocol, "\xFF"};
  CHECK_NOTHROW(to_json(attempt).dump());
  CHECK_NOTHROW(delivery_detail_json(example_delivery(), {attempt}, "\xFF", "\xFF", "\xFF").dump());
  CHECK(to_json(attempt)["response_headers"].begin().value() ==
        "a" + kReplaced + ", " + kReplaced + kReplaced + kReplaced);
}

TEST_CASE("a delivery's detail is the delivery, its request, attempts and diagnosis") {
  const Json json = delivery_detail_json(example_delivery(), {Attempt{}, Attempt{}},
                                         "https://a.example/", R"({"n":0.10})", std::nullopt);
  std::vector<std::string> expected = kDeliveryKeys;
  expected.insert(expected.end(), {"request", "attempts", "diagnosis"});
  CHECK(keys_of(json) == expected);
  CHECK(json["request"].dump() == R"({"url":"https://a.example/","body":"{\"n\":0.10}"})");
  CHECK(json["attempts"].size() == 2);
  CHECK(json["diagnosis"].is_null());
  CHECK(delivery_detail_json(example_delivery(), {}, "", "", "why")["diagnosis"] == "why");
}

TEST_CASE("an event type shows its schema as an object") {
  EventType type{"order.paid", "Paid", "order", R"({"type":"object"})", false};
  CHECK(to_json(type).dump() == R"({"event_type":"order.paid","description":"Paid",)"
                                R"("resource_type":"order","schema":{"type":"object"}})");
  type.schema.reset();
  type.description.reset();
  CHECK(to_json(type)["schema"].is_null());
  CHECK(to_json(type)["description"].is_null());
}

TEST_CASE("an event shows its body as text, so that digits survive") {
  const Event event{"evt_1", "user.created", {"tnt_1", std::nullopt}, kNow, R"({"n":0.10})"};
  const Json json = event_json(event, {example_delivery()});
  CHECK(keys_of(json) == std::vector<std::string>{"event_id", "event_type", "tenant_id",
                                                  "partner_id", "accepted_at", "body",
                                                  "deliveries"});
  CHECK(json["body"] == R"({"n":0.10})");
  CHECK(json["tenant_id"] == "tnt_1");
  CHECK(json["partner_id"].is_null());
  CHECK(json["deliveries"][0]["id"] == 7);
}

TEST_CASE("stats have every field, and null where nothing has ended") {
  const Json json = stats_json({}, {"whk_0123456789abcdef"}, "24h");
  CHECK(json.dump() ==
        R"({"webhook_id":"whk_0123456789abcdef","window":"24h","total":0,"succeeded":0,)"
        R"("failed":0,"pending":0,"in_flight":0,"attempts":0,"success_rate":null,)"
        R"("latency_ms":{"avg":null,"p50":null,"p95":null,"p99":null},"status_codes":{},)"
        R"("consecutive_failures":0,"last_success_at":null,"last_failure_at":null,)"
        R"("oldest_pending_at":null,"series":[]})");
}

TEST_CASE("stats show rate, latencies, codes and series") {
  Stats stats;
  stats.succeeded = 3;
  stats.failed = 1;
  stats.latency_p50_ms = 1.5;
  stats.status_codes = {{"200", 3}, {"timeout", 1}};
  stats.series = {{kNow, 3, 1}};
  const Json json = stats_json(stats, {"whk_0123456789abcdef"}, "1h");
  CHECK(json["success_rate"] == 0.75);
  CHECK(json["latency_ms"]["p50"] == 1.5);
  CHECK(json["status_codes"].dump() == R"({"200":3,"timeout":1})");
  CHECK(json["series"].dump() ==
        R"([{"start":"2026-11-23T09:00:00.000Z","succeeded":3,"failed":1}])");
}

TEST_CASE("a page counts its pages up") {
  PageInfo info;
  CHECK(page_json({}, info).dump() == R"({"items":[],"total":0,"page":1,"per_page":50,"pages":0})");
  info.total = 50;
  CHECK(page_json({Json(1)}, info)["pages"] == 1);
  info.total = 51;
  CHECK(page_json({Json(1)}, info)["pages"] == 2);
  CHECK(page_json({Json(1), Json(2)}, info)["items"] == Json::array({1, 2}));
}

TEST_CASE("a page names a cap only when there is one, and a cursor only where it is offered") {
  PageInfo info;
  CHECK_FALSE(page_json({}, info).contains("total_capped"));
  CHECK_FALSE(page_json({}, info).contains("next_cursor"));
  info.total_capped = true;
  info.cursor_offered = true;
  CHECK(page_json({}, info)["total_capped"] == true);
  CHECK(page_json({}, info)["next_cursor"].is_null());
  info.next_cursor = "123";
  CHECK(page_json({}, info)["next_cursor"] == "123");
}

TEST_CASE("headers are kept as text in their order, duplicates included") {
  const Headers headers = {{"B", "1"}, {"A", "\"quoted\""}, {"B", "2"}};
  CHECK(headers_to_text(headers) == R"([["B","1"],["A","\"quoted\""],["B","2"]])");
  CHECK(headers_from_text(headers_to_text(headers)) == headers);
  CHECK(headers_from_text("[]").empty());
  CHECK(headers_from_text(headers_to_text({{"A", "\xFF"}})) == Headers{{"A", kReplaced}});
}

TEST_CASE("a text that holds no headers is refused") {
  for (const auto* text :
       {"", "{}", "[1]", "[[\"a\"]]", "[[\"a\",1]]", "[[\"a\",\"b\",\"c\"]]", "["}) {
    CAPTURE(text);
    CHECK_THROWS_AS(headers_from_text(text), std::invalid_argument);
  }
}
