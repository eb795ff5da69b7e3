#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/listing.h"
#include "cli/text.h"
#include "cli/views.h"
#include "cli/webhook_ref.h"
#include "shared/encoding.h"
#include "shared/url.h"

namespace webhookd {
namespace {

struct DeliveryOptions {
  std::vector<std::string> words;  // [WEBHOOK] ID
  bool body = false;
  bool headers = false;
  bool curl = false;
};

// Across webhooks, which only a webhookd can.
Answer ask_for_any(Context& context, const std::string& delivery) {
  try {
    return context.client.call(
        {"GET", "/api/v1/admin/deliveries/" + percent_encode(delivery), {}, std::nullopt});
  } catch (CliError& error) {
    if (error.http_status == 404 || error.http_status == 405) {
      error.hint = fmt::format("name its webhook too: `webhookctl delivery WEBHOOK {}`", delivery);
    }
    throw;
  }
}

Answer ask_for(Context& context, const std::vector<std::string>& words) {
  const std::string& delivery = words.back();
  if (delivery.empty() || delivery.find_first_not_of("0123456789") != std::string::npos) {
    throw usage_error(fmt::format("a delivery's id is a number, not '{}'", safe_text(delivery)),
                      "`webhookctl deliveries WEBHOOK` lists them");
  }
  if (words.size() == 1) return ask_for_any(context, words[0]);
  return at_webhook(context.client, words[0], [&](const std::string& id) {
    const std::string path = webhook_path(id, "/deliveries/" + percent_encode(words[1]));
    return context.client.call({"GET", path, {}, std::nullopt});
  });
}

std::vector<Json> attempts_of(const Json& detail) {
  const auto attempts = detail.find("attempts");
  return attempts != detail.end() && attempts->is_array() ? attempts->get<std::vector<Json>>()
                                                          : std::vector<Json>();
}

// Headers as an object, or as a list of pairs.
Headers headers_of(const Json& object, const char* name) {
  Headers headers;
  const auto found = object.find(name);
  if (found == object.end()) return headers;
  for (const auto& [key, value] : found->items()) {
    const bool pair = value.is_array() && value.size() == 2 && value[0].is_string();
    const std::string header = pair ? value[0].get<std::string>() : key;
    const Json& content = pair ? value[1] : value;
    const std::string text = content.is_string() ? content.get<std::string>() : content.dump();
    headers.emplace_back(header, is_secret_header(header) ? std::string(kMasked) : text);
  }
  return headers;
}

std::string response_body(const Json& attempt) {
  std::string body = text_at(attempt, "response_body");
  if (text_at(attempt, "response_body_encoding") == "base64") {
    return base64_decode(body).value_or(body);
  }
  return body;
}

std::string header_lines(const Headers& headers) {
  std::string lines;
  for (const auto& [name, value] : headers) {
    if (!lines.empty()) lines += '\n';
    lines += fmt::format("{}: {}", name, value);
  }
  return lines.empty() ? "-" : lines;
}

// What --body and --headers ask for, by name: "attempt_1_response_body". Not made safe.
using Parts = std::vector<std::pair<std::string, std::string>>;

Parts parts_of(const DeliveryOptions& options, const Json& detail) {
  Parts parts;
  if (options.body) parts.emplace_back("request_body", text_at(detail, "request.body"));
  for (const Json& attempt : attempts_of(detail)) {
    const std::string prefix = fmt::format("attempt_{}_", text_at(attempt, "number"));
    for (const char* name : {"request_headers", "response_headers"}) {
      if (options.headers)
        parts.emplace_back(prefix + name, header_lines(headers_of(attempt, name)));
    }
    if (options.body) parts.emplace_back(prefix + "response_body", response_body(attempt));
  }
  return parts;
}

void show_parts(Output& out, const Parts& parts) {
  for (const auto& [name, text] : parts) {
    std::string title = safe_text(name);
    std::replace(title.begin(), title.end(), '_', ' ');
    out.text(fmt::format("\n{}\n{}\n", toned(title, Tone::faint, out.view()),
                         safe_text(text, LineBreaks::kept)));
  }
}

std::string attempt_line(const Json& attempt) {
  std::string error = text_at(attempt, "error.message");
  return fmt::format("{} {} {} {} ms {}", text_at(attempt, "started_at"),
                     text_at(attempt, "trigger"), text_at(attempt, "response_status"),
                     text_at(attempt, "duration_ms"), error);
}

// In TSV all is one list of fields; for a person the attempts are a table of their own.
void show_detail(Output& out, const DeliveryOptions& options, const Json& detail) {
  const View view = out.view();
  const Parts parts = parts_of(options, detail);
  Card card = delivery_card(detail, view);
  if (view.format == Format::tsv) {
    for (const Json& attempt : attempts_of(detail)) {
      card.add(fmt::format("attempt_{}", text_at(attempt, "number")), {attempt_line(attempt)});
    }
    for (const auto& [name, text] : parts) card.add(name, {text});
    out.show(card);
    return;
  }
  out.show(card);
  const std::string timeline = render(attempt_table(detail, view), view);
  if (!timeline.empty()) out.text("\n" + timeline);
  show_parts(out, parts);
}

// Repeats the last attempt, as far as it is known: what is masked stays so.
std::string curl_command(const Json& detail) {
  const std::vector<Json> attempts = attempts_of(detail);
  std::string command = "curl -i -X POST";
  if (!attempts.empty()) {
    for (const auto& [name, value] : headers_of(attempts.back(), "request_headers")) {
      if (name == "Content-Length" || name == "Host") continue;
      command +=
          " \\\n  -H " + shell_quoted(fmt::format("{}: {}", safe_text(name), safe_text(value)));
    }
  }
  const std::string body = text_at(detail, "request.body");
  if (body != "-") command += " \\\n  --data-raw " + shell_quoted(safe_text(body));
  return command + " \\\n  " + shell_quoted(safe_text(text_at(detail, "request.url"))) + "\n";
}

Exit delivery(Context& context, const DeliveryOptions& options) {
  const Answer answer = ask_for(context, options.words);
  const Json detail = parse_object(answer);
  if (options.curl) {
    context.out.text(curl_command(detail));
  } else if (context.out.is_json()) {
    context.out.json(answer.body);
  } else {
    show_detail(context.out, options, detail);
  }
  return Exit::done;
}

}  // namespace

void add_delivery(CommandLine& line) {
  auto options = std::make_shared<DeliveryOptions>();
  CLI::App& command = line.add("delivery", "Show one delivery with its attempts and a diagnosis",
                               "  webhookctl delivery 4711\n"
                               "  webhookctl delivery billing 4711 --body --headers\n"
                               "  webhookctl delivery billing 4711 --curl");
  command
      .add_option("DELIVERY", options->words, "[WEBHOOK] ID: its id, after the webhook's or not")
      ->required()
      ->expected(1, 2);
  command.add_flag("--body", options->body, "With the bodies of the request and the answers");
  command.add_flag("--headers", options->headers, "With all headers");
  command.add_flag("--curl", options->curl, "Only a curl command that repeats the request");
  line.on_run(command, [options](Context& context) { return delivery(context, *options); });
}

}  // namespace webhookd
