#include "cli/commands/publish_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "cli/event_batch.h"
#include "cli/event_lookup.h"
#include "cli/line_reader.h"
#include "cli/listing.h"
#include "cli/waiting.h"
#include "shared/ascii.h"
#include "shared/ids.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

// Where lines come slowly, those that are there are not kept waiting.
constexpr milliseconds kMoreWithin{50};
constexpr milliseconds kFirstRetry{200};
constexpr milliseconds kLongestRetry{10'000};
constexpr int kMostTries = 10;  // about a minute
constexpr milliseconds kShownEvery{100};

struct BatchSummary {
  std::int64_t events = 0;
  std::int64_t duplicates = 0;
  std::int64_t deliveries = 0;
  std::int64_t last_line = 0;  // of what was published
};

// What became of the deliveries that were waited for.
struct BatchOutcome {
  std::int64_t succeeded = 0;
  std::int64_t failed = 0;
  std::int64_t waiting = 0;
  std::optional<Json> worst;  // a delivery to look at
};

class BatchPublisher {
 public:
  BatchPublisher(Context& context, const BatchOptions& options)
      : context_(context),
        waits_(!options.wait.empty()),
        lines_(options.file, kMostBatchBytes - 1) {}

  // Throws CliError with what stopped it.
  void run();

  const BatchSummary& summary() const { return summary_; }
  const std::vector<EventName>& awaited() const { return awaited_; }

 private:
  void add_line(std::string_view text);
  void send();
  // Any answer that says what became of the batch.
  Answer settled_answer();
  void note_accepted(const Answer& answer);
  void show_progress();

  Context& context_;
  bool waits_;
  LineReader lines_;
  EventBatch batch_;
  BatchSummary summary_;
  std::vector<EventName> awaited_;
  Monotonic shown_at_{};
};

void BatchPublisher::run() {
  while (const auto line = lines_.next()) {
    if (!trimmed(*line).empty()) add_line(*line);
    if (!batch_.empty() && !lines_.comes_within(kMoreWithin)) send();
  }
  send();
}

void BatchPublisher::add_line(std::string_view text) {
  BatchLine line{lines_.number(), "", ""};
  const std::string sent =
      identified(text, new_event_id(context_.clock.now(), context_.random), line);
  if (!batch_.has_room_for(sent.size())) send();
  batch_.add(line, sent);
}

void BatchPublisher::send() {
  if (batch_.empty()) return;
  const Answer answer = settled_answer();
  if (answer.status != 202) {
    throw batch_failure(answer.status, answer.body, answer.request_id, batch_.lines());
  }
  note_accepted(answer);
  batch_.clear();
  show_progress();
}

bool may_pass(const CliError& error) {
  return error.exit == Exit::unreachable || error.exit == Exit::timed_out ||
         error.exit == Exit::internal;
}

// Without an answer, or with a 5xx, nobody knows whether the events were taken. Their ids make
// another try harmless.
Answer BatchPublisher::settled_answer() {
  const Request request{"POST",        "/api/v1/events/batch", {},
                        batch_.body(), std::nullopt,           "application/x-ndjson"};
  milliseconds pause = kFirstRetry;
  for (int tries = 1;; ++tries) {
    std::string why;
    try {
      Answer answer = context_.client.send(request);
      if (!is_temporary(answer.status) || tries == kMostTries) return answer;
      why = fmt::format("the server answered {}", answer.status);
    } catch (const CliError& error) {
      if (!may_pass(error) || tries == kMostTries) throw;
      why = error.message;
    }
    context_.out.note(fmt::format("{}; trying again in {}", why, format_duration(pause)));
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestRetry);
  }
}

void BatchPublisher::note_accepted(const Answer& answer) {
  const Json accepted = parse_object(answer);
  const auto items = accepted.find("items");
  const auto& lines = batch_.lines();
  if (items == accepted.end() || !items->is_array() || items->size() != lines.size()) {
    throw CliError(Exit::internal, "the server's answer does not tell of each event",
                   kIsItWebhookd);
  }
  for (std::size_t index = 0; index < lines.size(); ++index) {
    const Json& item = items->at(index);
    const auto made = item.find("deliveries");
    const std::int64_t deliveries =
        made != item.end() && made->is_number_integer() ? made->get<std::int64_t>() : 0;
    ++summary_.events;
    summary_.deliveries += deliveries;
    if (text_at(item, "duplicate") == "true") ++summary_.duplicates;
    if (waits_ && deliveries > 0) {
      awaited_.push_back(
          {text_at(item, "event_id"), lines[index].tenant_id, lines[index].partner_id});
    }
  }
  summary_.last_line = lines.back().number;
}

void BatchPublisher::show_progress() {
  const Monotonic now = context_.clock.monotonic();
  if (now - shown_at_ < kShownEvery) return;
  shown_at_ = now;
  context_.out.progress(fmt::format("{} events published", summary_.events));
}

// Adds up one event's deliveries. False while one of them waits.
bool settle(Context& context, const EventName& event, const Deadline& deadline,
            BatchOutcome& outcome) {
  const Answer answer = find_event(context.client, event, deadline.for_one_request());
  const std::vector<Json> deliveries = deliveries_in(parse_object(answer));
  if (!std::all_of(deliveries.begin(), deliveries.end(), is_settled)) return false;
  for (const Json& delivery : deliveries) {
    const bool succeeded = has_succeeded(delivery);
    ++(succeeded ? outcome.succeeded : outcome.failed);
    if (!succeeded && !outcome.worst) outcome.worst = delivery;
  }
  return true;
}

BatchOutcome wait_for_batch(Context& context, std::vector<EventName> events,
                            const BatchSummary& summary, const Deadline& deadline) {
  BatchOutcome outcome;
  std::reverse(events.begin(), events.end());
  // In their order: while the first waits, asking for the others tells nothing new.
  poll_until(deadline, [&] {
    while (!events.empty() && settle(context, events.back(), deadline, outcome)) {
      events.pop_back();
      context.out.progress(fmt::format("{} of {} deliveries are done",
                                       outcome.succeeded + outcome.failed, summary.deliveries));
      if (deadline.is_over()) return true;
    }
    return events.empty();
  });
  outcome.waiting =
      std::max<std::int64_t>(summary.deliveries - outcome.succeeded - outcome.failed, 0);
  return outcome;
}

void show_summary(Context& context, const BatchSummary& summary,
                  const std::optional<BatchOutcome>& outcome) {
  Json shown = {{"events", summary.events},
                {"duplicates", summary.duplicates},
                {"deliveries", summary.deliveries}};
  if (outcome) {
    shown["succeeded"] = outcome->succeeded;
    shown["failed"] = outcome->failed;
    shown["waiting"] = outcome->waiting;
  }
  context.out.progress("");
  if (context.out.is_json()) return context.out.json(shown.dump());
  Card card;
  for (const auto& [name, value] : shown.items()) card.add(name, {value.dump()});
  context.out.show(card);
}

CliError partly_published(CliError error, const BatchSummary& summary) {
  if (summary.events == 0) return error;
  error.exit = Exit::partly;
  error.message = fmt::format("{}; {} events up to line {} are published", error.message,
                              summary.events, summary.last_line);
  error.hint = fmt::format("{}{}`tail -n +{} FILE` is what is left", error.hint,
                           error.hint.empty() ? "" : "; ", summary.last_line + 1);
  return error;
}

std::optional<CliError> batch_shortfall_of(const BatchOutcome& outcome, std::int64_t deliveries) {
  if (outcome.failed > 0) {
    return CliError(
        Exit::delivery_failed,
        fmt::format("{} of {} deliveries did not succeed", outcome.failed, deliveries),
        fmt::format("`webhookctl delivery {}` shows why of one", text_at(*outcome.worst, "id")));
  }
  if (outcome.waiting == 0) return std::nullopt;
  return CliError(Exit::timed_out,
                  fmt::format("{} of {} deliveries were still waiting when the time was over",
                              outcome.waiting, deliveries),
                  "a longer --wait waits longer");
}

}  // namespace

Exit publish_batch(Context& context, const BatchOptions& options) {
  const milliseconds within =
      options.wait.empty() ? milliseconds(0) : parse_duration_of(options.wait, "--wait");
  BatchPublisher publisher(context, options);
  const BatchSummary& summary = publisher.summary();
  try {
    publisher.run();
  } catch (const CliError& error) {
    context.out.progress("");
    if (summary.events > 0) show_summary(context, summary, std::nullopt);
    throw partly_published(error, summary);
  }
  if (options.wait.empty()) {
    show_summary(context, summary, std::nullopt);
    return Exit::done;
  }
  const BatchOutcome outcome =
      wait_for_batch(context, publisher.awaited(), summary, Deadline(context.clock, within));
  show_summary(context, summary, outcome);
  if (auto shortfall = batch_shortfall_of(outcome, summary.deliveries)) throw std::move(*shortfall);
  return Exit::done;
}

}  // namespace webhookd
