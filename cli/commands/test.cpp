#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/data_source.h"
#include "cli/listing.h"
#include "cli/text.h"
#include "cli/views.h"
#include "cli/webhook_ref.h"
#include "shared/url.h"

namespace webhookd {
namespace {

// An attempt may take 60 s, and the answer comes after it.
constexpr std::chrono::seconds kLongestTest{65};

struct TestOptions {
  std::string webhook;
  std::string event_type;
  std::string data;
};

std::optional<std::string> test_body(const TestOptions& options) {
  if (options.event_type.empty() && options.data.empty()) return std::nullopt;
  std::string body = "{";
  if (!options.event_type.empty()) {
    body += fmt::format("\"event_type\":{}", Json(options.event_type).dump());
  }
  if (!options.data.empty()) {
    if (body.size() > 1) body += ',';
    body += fmt::format("\"data\":{}", read_json_object(options.data, "--data"));
  }
  return body + "}";
}

// A server of the reference may say only with which status the receiver answered.
bool succeeded(const Json& result) {
  const auto success = result.find("success");
  if (success != result.end() && success->is_boolean()) return success->get<bool>();
  const std::string status = text_at(result, "status_code");
  return status == "-" ? text_at(result, "error") == "-" : status.starts_with('2');
}

// The attempt with its timings and the receiver's answer; null when the server keeps none.
Json detail_of(Context& context, const std::string& webhook_id, const Json& result) {
  const std::string delivery = text_at(result, "delivery_id");
  if (delivery == "-") return nullptr;
  try {
    return parse_answer(
        context.client.call({"GET",
                             webhook_path(webhook_id, "/deliveries/" + percent_encode(delivery)),
                             {},
                             std::nullopt}));
  } catch (const CliError&) {
    return nullptr;
  }
}

Json last_attempt(const Json& detail) {
  const auto attempts = detail.find("attempts");
  if (!detail.is_object() || attempts == detail.end() || !attempts->is_array() ||
      attempts->empty()) {
    return Json::object();
  }
  return attempts->back();
}

// On a screen one line of it: it may be 16 KiB long.
std::string body_shown(const Json& attempt, const View& view) {
  constexpr int kLabels = 18;  // columns before the values
  const std::string body = safe_text(text_at(attempt, "response_body"));
  if (view.width == 0) return text_at(attempt, "response_body");
  return shortened(body, std::max(view.width - kLabels, kLabels));
}

Card test_card(const Json& result, const Json& detail, const View& view) {
  const Json attempt = last_attempt(detail);
  Card card;
  card.add("result", succeeded(result) ? Cell{"succeeded", Tone::good} : Cell{"failed", Tone::bad});
  card.add("status_code", cell_at(result, "status_code"));
  card.add("duration", millis_at(result, "duration_ms", view));
  const std::string error = text_at(result, "error.message");
  card.add("error", error == "-" ? cell_at(result, "error") : Cell{error, Tone::bad});
  card.add("delivery_id", cell_at(result, "delivery_id"));
  for (const char* phase : {"dns_ms", "connect_ms", "tls_ms", "first_byte_ms"}) {
    card.add(phase, millis_at(attempt, fmt::format("timings.{}", phase), view));
  }
  card.add("remote_address", cell_at(attempt, "remote_address"));
  card.add("response_body", {body_shown(attempt, view)});
  return card;
}

// What went wrong, for the error that the failure of a test is.
CliError test_failure(const Json& result, const Json& detail) {
  std::string why = text_at(result, "error.message");
  if (why == "-") why = text_at(result, "error");
  const std::string status = text_at(result, "status_code");
  if (why == "-") why = status == "-" ? "the server does not say why" : "status " + status;
  const std::string diagnosis = text_at(detail, "diagnosis");
  return CliError(Exit::delivery_failed, fmt::format("the test delivery failed: {}", why),
                  diagnosis == "-" ? "the receiver's log may tell why" : diagnosis);
}

Exit test(Context& context, const TestOptions& options) {
  const std::optional<std::string> body = test_body(options);
  std::string webhook_id;
  context.client.allow_at_least(kLongestTest);
  const Answer answer = at_webhook(context.client, options.webhook, [&](const std::string& id) {
    webhook_id = id;
    return context.client.call({"POST", webhook_path(id, "/test"), {}, body});
  });
  const Json result = parse_object(answer);
  const bool good = succeeded(result);
  const Json detail =
      good && context.out.is_json() ? Json() : detail_of(context, webhook_id, result);
  if (context.out.is_json()) {
    context.out.json(answer.body);
  } else {
    context.out.show(test_card(result, detail, context.out.view()));
  }
  if (!good) throw test_failure(result, detail);
  return Exit::done;
}

}  // namespace

void add_test(CommandLine& line) {
  auto options = std::make_shared<TestOptions>();
  CLI::App& command = line.add("test", "Send one test event now and show how it went",
                               "  webhookctl test billing\n"
                               "  webhookctl test billing --event user.created --data @user.json");
  command.add_option("WEBHOOK", options->webhook, "Its id or name")->required();
  command.add_option("--event", options->event_type, "Event type (default webhook.test)")
      ->type_name("TYPE");
  command.add_option("--data", options->data, "Its data, an object: @FILE, - or JSON")
      ->type_name("JSON");
  line.on_run(command, [options](Context& context) { return test(context, *options); });
}

}  // namespace webhookd
