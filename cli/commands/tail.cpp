#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/delivery_filter.h"
#include "cli/event_stream.h"
#include "cli/raw_json.h"
#include "cli/text.h"
#include "cli/views.h"
#include "cli/waiting.h"
#include "cli/webhook_ref.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstReconnect{250};
constexpr milliseconds kLongestReconnect{10'000};

struct TailOptions {
  std::string webhook;
  std::string since;
  std::string status;
  std::size_t count = 0;  // 0: no end
  bool fail_on_error = false;
};

class Tail {
 public:
  Tail(Context& context, const TailOptions& options)
      : context_(context),
        options_(options),
        parser_([this](const ServerEvent& event) { take(event); }) {}

  Exit run();

 private:
  // False when there is no reason to go on.
  bool follow();
  Stream feed(std::string_view bytes);
  void take(const ServerEvent& event);
  void show(const std::string& text, const Json& attempt);
  bool is_done() const { return failed_.has_value() || shown_ == wanted() || !unusable_.empty(); }
  std::size_t wanted() const { return options_.count == 0 ? SIZE_MAX : options_.count; }
  void pause(std::string_view why);

  Context& context_;
  const TailOptions& options_;
  EventStreamParser parser_;
  StreamRequest request_;
  std::size_t shown_ = 0;
  milliseconds pause_ = kFirstReconnect;
  bool was_connected_ = false;
  bool interrupted_ = false;  // and told so
  std::optional<CliError> failed_;
  std::string unusable_;
};

Exit Tail::run() {
  request_.path = "/api/v1/admin/deliveries/stream";
  if (!options_.since.empty()) {
    const Timestamp since = parse_moment(options_.since, context_.clock.now(), "--since");
    request_.query.emplace_back("since", format_rfc3339(since));
  }
  if (!options_.status.empty()) request_.query.emplace_back("status", options_.status);
  if (!options_.webhook.empty()) {
    request_.query.emplace_back("webhook_id", settled_webhook(context_.client, options_.webhook));
  }
  while (follow()) {
  }
  if (!unusable_.empty()) throw CliError(Exit::internal, unusable_, kIsItWebhookd);
  if (failed_) throw *std::exchange(failed_, std::nullopt);
  return Exit::done;
}

bool Tail::follow() {
  std::string why = "the stream ended";
  try {
    parser_.restart();
    request_.last_id = parser_.last_id();
    const Answer answer =
        context_.client.stream(request_, [this](std::string_view bytes) { return feed(bytes); });
    if (is_done() || !context_.out.is_wanted()) return false;
    if (answer.status < 200 || answer.status >= 300) {
      if (!was_connected_ || !is_temporary(answer.status)) {
        throw api_failure(answer.status, answer.body, answer.request_id,
                          "/api/v1/admin/webhooks/stream");
      }
      why = fmt::format("the server answered {}", answer.status);
    }
  } catch (const CliError& error) {
    const bool gone = error.http_status == 0 && error.exit != Exit::usage;
    if (!was_connected_ || !gone) throw;
    why = error.message;
  }
  pause(why);
  return true;
}

void Tail::pause(std::string_view why) {
  context_.out.note(fmt::format("{}; connecting again in {}", why, format_duration(pause_)));
  interrupted_ = true;
  std::this_thread::sleep_for(pause_);
  pause_ = std::min(pause_ * 2, kLongestReconnect);
}

Stream Tail::feed(std::string_view bytes) {
  if (!bytes.empty()) {
    was_connected_ = true;
    pause_ = kFirstReconnect;
    if (std::exchange(interrupted_, false)) context_.out.note("connected again");
    if (!parser_.feed(bytes)) unusable_ = "the server's stream cannot be used";
  }
  return is_done() || !context_.out.is_wanted() ? Stream::end : Stream::go_on;
}

void Tail::take(const ServerEvent& event) {
  if (event.name != "attempt" || is_done()) return;
  const Json attempt =
      nests_too_deep(event.data) ? Json() : Json::parse(event.data, nullptr, false);
  if (!attempt.is_object()) {
    unusable_ = "the server's stream holds no attempts";
    return;
  }
  show(event.data, attempt);
  ++shown_;
  const auto error = attempt.find("error");
  if (!options_.fail_on_error || error == attempt.end() || error->is_null()) return;
  failed_ =
      CliError(Exit::delivery_failed,
               fmt::format("attempt {} of delivery {} failed: {}", text_at(attempt, "number"),
                           text_at(attempt, "delivery_id"), text_at(attempt, "error.message")),
               fmt::format("`webhookctl delivery {}` shows why", text_at(attempt, "delivery_id")));
}

void Tail::show(const std::string& text, const Json& attempt) {
  if (context_.out.is_json()) return context_.out.json(text);
  View view = context_.out.view();
  if (view.format != Format::tsv) {
    return context_.out.text(live_attempt_line(attempt, options_.webhook.empty(), view));
  }
  if (shown_ > 0) view.header = HeaderLine::hidden;
  context_.out.text(render(finished_attempt_table(attempt), view));
}

}  // namespace

void add_tail(CommandLine& line) {
  auto options = std::make_shared<TailOptions>();
  CLI::App& command = line.add("tail", "Show attempts as they happen",
                               "  webhookctl tail\n"
                               "  webhookctl tail billing --since 10m --status failed\n"
                               "  webhookctl tail billing --count 1 --fail-on-error -o jsonl");
  command.add_option("WEBHOOK", options->webhook, "Only this one's: id or name");
  command.add_option("--since", options->since, "Those that ended since, first: 2h ago, or a time")
      ->type_name("TIME");
  command
      .add_option("--status", options->status,
                  "Those that left their delivery: pending, succeeded, failed or cancelled")
      ->check(CLI::IsMember({"pending", "succeeded", "failed", "cancelled"}))
      ->type_name("STATUS");
  command.add_flag("--fail-on-error", options->fail_on_error,
                   "End with 7 at the first attempt that failed");
  add_count(command, "--count", options->count, "End after this many");
  line.on_run(command, [options](Context& context) { return Tail(context, *options).run(); });
}

}  // namespace webhookd
