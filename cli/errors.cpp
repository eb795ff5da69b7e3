#include "cli/errors.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/raw_json.h"
#include "cli/text.h"
#include "shared/model_json.h"

namespace webhookd {
namespace {

std::string location(const Json& loc) {
  std::string text;
  if (!loc.is_array()) return text;
  for (const Json& step : loc) {
    if (!text.empty()) text += '.';
    text += step.is_string() ? step.get<std::string>() : step.dump();
  }
  return text;
}

std::string fault_line(const Json& fault) {
  if (!fault.is_object()) return fault.dump(-1, ' ', true);
  const auto msg = fault.find("msg");
  const std::string sentence =
      msg != fault.end() && msg->is_string() ? msg->get<std::string>() : "not valid";
  const auto loc = fault.find("loc");
  const std::string where = loc == fault.end() ? "" : location(*loc);
  return where.empty() ? sentence : where + ": " + sentence;
}

Exit exit_for(int status) {
  switch (status) {
    case 401:
    case 403:
      return Exit::denied;
    case 404:
      return Exit::not_found;
    case 429:
      return Exit::internal;
    case 408:
    case 504:
      return Exit::timed_out;
    default:
      return status >= 400 && status < 500 ? Exit::rejected : Exit::internal;
  }
}

// What a request was for.
enum class Resource { webhooks, webhook, delivery, event, event_type, other };

Resource resource_at(std::string_view path) {
  constexpr std::string_view kWebhooks = "/api/v1/admin/webhooks/";
  const auto below = [path](std::string_view base) { return path.starts_with(base); };
  if (below("/api/v1/admin/event-types")) return Resource::event_type;
  if (below("/api/v1/events") || below("/api/v1/admin/events")) return Resource::event;
  if (below("/api/v1/admin/deliveries/")) return Resource::delivery;
  if (!below(kWebhooks)) return Resource::other;
  const std::string_view rest = path.substr(kWebhooks.size());
  if (rest.empty()) return Resource::webhooks;
  if (rest == "events") return Resource::other;
  return rest.find("/deliveries/") == std::string_view::npos ? Resource::webhook
                                                             : Resource::delivery;
}

std::string hint_for_missing(Resource resource, std::string_view sentence) {
  constexpr const char* kList = "`webhookctl list` shows the webhooks that you may see";
  switch (resource) {
    case Resource::webhook:
      return kList;
    case Resource::delivery:
      return sentence == "Webhook not found"
                 ? kList
                 : "`webhookctl deliveries WEBHOOK` lists what there is";
    case Resource::event:
      return "is it another tenant's or partner's? name them with --tenant and --partner";
    case Resource::event_type:
      return "`webhookctl events` lists the event types";
    case Resource::webhooks:
    case Resource::other:
      break;
  }
  return kIsItWebhookd;
}

std::string hint_for_conflict(Resource resource, std::string_view sentence) {
  const auto says = [sentence](std::string_view word) {
    return sentence.find(word) != std::string_view::npos;
  };
  switch (resource) {
    case Resource::webhooks:
    case Resource::webhook:
      if (says("is disabled")) return "`webhookctl resume WEBHOOK` enables it; then repeat this";
      return "choose another with --name; `webhookctl list` shows those that are taken";
    case Resource::delivery:
      if (says("force")) return "--force sends it again";
      if (says("disabled")) return "`webhookctl resume WEBHOOK` enables it; then repeat this";
      return "`webhookctl delivery` shows how it stands now";
    case Resource::event:
      return "leave --id out to publish it as an event of its own";
    case Resource::event_type:
      if (says("built in")) return "only types that were added can be removed";
      return "`webhookctl events` shows it; remove it first to give it another meaning";
    case Resource::other:
      break;
  }
  return "look at what is there now, then repeat this";
}

std::string hint_for(int status, Resource resource, std::string_view sentence) {
  if (status == 401) {
    return "name a token with --token-file or WEBHOOKCTL_TOKEN_FILE; on the daemon's machine "
           "`webhookctl token create` makes one";
  }
  if (status == 403) {
    return "this needs a token of a wider role or scope, or, over the socket, membership of the "
           "daemon's admin group";
  }
  if (status == 404) return hint_for_missing(resource, sentence);
  if (status == 409) return hint_for_conflict(resource, sentence);
  if (status == 413) return "send less at once; an event has at most 1 MiB";
  if (status == 422) return "correct what is named above; --help tells what each option takes";
  if (status == 429) return "too many requests at once: wait a moment and repeat";
  if (status == 503) return "the daemon cannot take this now: see `webhookctl status`, then repeat";
  if (status == 408 || status == 504) return "repeat it; `webhookctl status` shows how busy it is";
  if (status >= 500) return "the daemon's log says more under this request id";
  if (status >= 300 && status < 400) return "name the server's final address with --server";
  return kIsItWebhookd;
}

// A person reads the beginning; what follows would only push it off the screen.
constexpr int kLongestSentence = 1000;
constexpr std::size_t kMostFaults = 50;

void add_faults(CliError& error, const Json& faults) {
  for (const Json& fault : faults) {
    if (error.details.size() == kMostFaults) {
      error.details.push_back(fmt::format("… and {} more", faults.size() - kMostFaults));
      break;
    }
    error.details.push_back(shortened(fault_line(fault), kLongestSentence));
  }
  error.message = faults.size() == 1
                      ? "the server rejects the request"
                      : fmt::format("the server rejects the request for {} faults", faults.size());
}

}  // namespace

std::string_view code_of(Exit exit) {
  switch (exit) {
    case Exit::done:
      return "done";
    case Exit::internal:
      return "internal";
    case Exit::usage:
      return "usage";
    case Exit::not_found:
      return "not_found";
    case Exit::denied:
      return "denied";
    case Exit::unreachable:
      return "unreachable";
    case Exit::rejected:
      return "rejected";
    case Exit::delivery_failed:
      return "delivery_failed";
    case Exit::timed_out:
      return "timed_out";
    case Exit::partly:
      return "partly_done";
    case Exit::interrupted:
      return "interrupted";
  }
  return "internal";
}

CliError::CliError(Exit exit_class, std::string text, std::string what_to_do)
    : exit(exit_class), message(std::move(text)), hint(std::move(what_to_do)) {}

CliError usage_error(std::string message, std::string hint) {
  return CliError(Exit::usage, std::move(message), std::move(hint));
}

CliError api_failure(int status, std::string_view body, std::string request_id,
                     std::string_view path) {
  CliError error(exit_for(status), fmt::format("the server answered {}", status));
  error.request_id = std::move(request_id);
  error.http_status = status;
  error.path = path;
  const Json answer = nests_too_deep(body) ? Json() : Json::parse(body, nullptr, false);
  const auto detail = answer.find("detail");
  if (detail != answer.end() && detail->is_string()) {
    error.message = shortened(detail->get<std::string>(), kLongestSentence);
  } else if (detail != answer.end() && detail->is_array()) {
    add_faults(error, *detail);
  }
  error.hint = hint_for(status, resource_at(path), error.message);
  return error;
}

}  // namespace webhookd
