#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/envelope.h"
#include "api/request_body.h"
#include "api/resources.h"

namespace webhookd {
namespace {

constexpr std::string_view kDefaultType = "webhook.test";
constexpr std::string_view kDefaultText = R"({"message":"This is a test of your webhook."})";

struct TestBody {
  std::string event_type{kDefaultType};
  std::string document{kDefaultText};  // canonical
};

TestBody parse_test(const CanonicalObject& object, Catalogue& catalogue) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  TestBody body;
  if (const auto type = fields.text("event_type", Presence::nullable, {}); type.value) {
    body.event_type = *type.value;
    if (!catalogue.find(body.event_type)) {
      fields.refuse("event_type",
                    "unknown event type" +
                        catalogue.did_you_mean(body.event_type, Catalogue::Candidates::types));
    }
  }
  if (auto document = fields.object_text("data", Presence::nullable); document.value) {
    body.document = std::move(*document.value);
  }
  fields.refuse_unknown();
  faults.check();
  return body;
}

NewEvent test_event(const Call& call, const TestBody& body, const Binding& binding) {
  CanonicalObject members;
  members.emplace("event_type", string_member(body.event_type));
  members.emplace("data",
                  CanonicalMember{CanonicalMember::Kind::object, body.document, std::string()});
  const Timestamp now = call.now();
  return make_event(std::move(members), binding, new_event_id(now, call.services.random),
                    std::nullopt, now);
}

Json error_json(const std::optional<DeliveryError>& error) {
  if (!error) return nullptr;
  return {{"kind", to_string(error->kind)}, {"message", error->message}};
}

HttpResponse send(Call& call) {
  const TestBody body =
      parse_test(parse_body(call.request, BodyNeed::optional), call.services.catalogue);
  const Webhook webhook = visible_webhook(call);
  const auto sent = call.services.dispatcher.send_test(
      webhook.id, test_event(call, body, webhook.settings.binding), call.change_context());
  if (const auto* fault = std::get_if<TestFault>(&sent)) {
    switch (*fault) {
      case TestFault::too_many:
        throw ApiError(429, "8 test sends are under way: wait for one to end",
                       {{"Retry-After", "1"}});
      case TestFault::not_found:
        throw webhook_not_found();
    }
  }
  const auto& result = std::get<AttemptResult>(sent);
  const Attempt& attempt = result.attempt;
  return json_response(
      200, {{"delivery_id", result.delivery.value},
            {"success", !attempt.error.has_value()},
            {"status_code", attempt.response_status ? Json(*attempt.response_status) : Json()},
            {"duration_ms", attempt.duration.count()},
            {"error", error_json(attempt.error)}});
}

}  // namespace

std::vector<Route> test_send_routes() {
  return {{"POST", "/api/v1/admin/webhooks/{webhook_id}/test", Access::write, send}};
}

}  // namespace webhookd
