#include "cli/many.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/listing.h"

namespace webhookd {
namespace {

// What one request changes: an answer within a second, and a question where it is more.
constexpr std::size_t kPage = 1'000;
// As many as the API takes at once.
constexpr std::size_t kMostCounted = 10'000;
// The daemon answers within some seconds, whatever is left.
constexpr std::chrono::seconds kPatience{15};

struct Sum {
  std::int64_t matched = 0;
  std::int64_t changed = 0;
  std::int64_t skipped = 0;
  Json cursor;  // null: nothing is left
};

enum class Mode { real, dry };

std::int64_t count_in(const Json& answer, const std::string& name) {
  const auto found = answer.find(name);
  if (found != answer.end() && found->is_number_integer()) return found->get<std::int64_t>();
  throw CliError(Exit::internal, fmt::format("the server's answer does not say what was {}", name),
                 kIsItWebhookd);
}

void ask_for_page(Context& context, const ManyCall& call, Mode mode, std::size_t limit, Sum& sum) {
  Json body = call.body;
  body["limit"] = limit;
  if (!sum.cursor.is_null()) body["cursor"] = sum.cursor;
  if (mode == Mode::dry) body["dry_run"] = true;
  const Json answer = parse_object(context.client.call({"POST", call.path, {}, body.dump()}));
  sum.matched += count_in(answer, "matched");
  sum.changed += count_in(answer, call.changed);
  sum.skipped += count_in(answer, "skipped");
  const auto cursor = answer.find("next_cursor");
  sum.cursor = cursor == answer.end() ? Json() : *cursor;
}

void show_progress(Context& context, const ManyCall& call, const Sum& sum) {
  context.out.progress(fmt::format("{} {}", sum.changed, call.changed));
}

// Adds page after page to `sum` until nothing is left, or the limit is reached.
void go_through(Context& context, const ManyCall& call, Mode mode, std::size_t page, Sum& sum) {
  const auto matched = [&sum] { return static_cast<std::size_t>(sum.matched); };
  do {
    const std::size_t room = call.limit ? *call.limit - matched() : page;
    ask_for_page(context, call, mode, std::min(page, room), sum);
    show_progress(context, call, sum);
  } while (!sum.cursor.is_null() && (!call.limit || matched() < *call.limit));
}

void show_json(Context& context, const ManyCall& call, Mode mode, const Sum& sum) {
  Json shown = {{"matched", sum.matched},
                {call.changed, sum.changed},
                {"skipped", sum.skipped},
                {"next_cursor", sum.cursor}};
  if (mode == Mode::dry) shown["dry_run"] = true;
  context.out.json(shown.dump());
}

// Of a dry run no field's name says that something was done.
void show_sum(Context& context, const ManyCall& call, Mode mode, const Sum& sum) {
  context.out.progress("");
  if (context.out.is_json()) return show_json(context, call, mode, sum);
  const bool is_dry = mode == Mode::dry;
  Card card;
  card.add("matched", {std::to_string(sum.matched)});
  card.add(is_dry ? "would be " + call.changed : call.changed, {std::to_string(sum.changed)});
  card.add(is_dry ? "would be skipped" : "skipped", {std::to_string(sum.skipped)});
  context.out.show(card);
  const bool is_limited = call.limit && static_cast<std::size_t>(sum.matched) >= *call.limit;
  if (is_limited && !sum.cursor.is_null()) {
    context.out.note("there are more: a higher --limit takes them");
  }
}

// Nobody is asked about one page, nor where there is nobody.
void ask_first(Context& context, const ManyCall& call) {
  if (context.asking != Asking::allowed || context.confirmation == Confirmation::given) return;
  if (call.limit && *call.limit <= kPage) return;
  ManyCall counted = call;
  counted.limit = std::min(call.limit.value_or(kMostCounted), kMostCounted);
  Sum sum;
  go_through(context, counted, Mode::dry, kMostCounted, sum);
  context.out.progress("");
  if (sum.matched <= static_cast<std::int64_t>(kPage)) return;
  const bool all = sum.cursor.is_null() || counted.limit == call.limit;
  confirm(context,
          fmt::format(fmt::runtime(call.question), all ? std::to_string(sum.changed)
                                                       : fmt::format("more than {}", sum.changed)));
}

CliError broken_off(CliError error, const ManyCall& call, const Sum& sum) {
  if (sum.changed == 0) return error;
  error.exit = Exit::partly;
  error.message = fmt::format("{}; {} are {}", error.message, sum.changed, call.changed);
  error.hint = fmt::format("{}{}{}", error.hint, error.hint.empty() ? "" : "; ", call.again);
  return error;
}

}  // namespace

Json filter_body(const DeliveryFilter& filter, Timestamp now) {
  Json body = Json::object();
  for (const auto& [name, value] : filter.query(now)) body[name] = value;
  return body;
}

Exit show_dry_run(Context& context, const ManyCall& call) {
  context.client.allow_at_least(kPatience);
  Sum sum;
  go_through(context, call, Mode::dry, kMostCounted, sum);
  show_sum(context, call, Mode::dry, sum);
  context.out.note("that was a dry run; nothing was changed");
  return Exit::done;
}

Exit change_many(Context& context, const ManyCall& call) {
  context.client.allow_at_least(kPatience);
  ask_first(context, call);
  Sum sum;
  try {
    go_through(context, call, Mode::real, kPage, sum);
  } catch (const CliError& error) {
    context.out.progress("");
    if (sum.changed > 0) show_sum(context, call, Mode::real, sum);
    throw broken_off(error, call, sum);
  }
  show_sum(context, call, Mode::real, sum);
  return Exit::done;
}

}  // namespace webhookd
