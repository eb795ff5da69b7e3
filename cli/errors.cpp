#include "cli/errors.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

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

std::string hint_for(int status) {
  if (status == 401) {
    return "name a token with --token-file or WEBHOOKCTL_TOKEN_FILE; on the daemon's machine "
           "`webhookctl token create` makes one";
  }
  if (status == 403) {
    return "this needs a token of a wider role or scope, or, over the socket, membership of the "
           "daemon's admin group";
  }
  if (status == 404) return "`webhookctl list` shows the webhooks that you may see";
  if (status == 409) return "`webhookctl get` and `webhookctl delivery` show what is there now";
  if (status == 413) return "send less at once; an event has at most 1 MiB";
  if (status == 422) return "correct what is named above; --help tells what each option takes";
  if (status == 429) return "too many requests at once: wait a moment and repeat";
  if (status == 503) return "the daemon cannot take this now: see `webhookctl status`, then repeat";
  if (status >= 500) return "the daemon's log says more under this request id";
  if (status >= 300 && status < 400) return "name the server's final address with --server";
  return "";
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

CliError api_failure(int status, std::string_view body, std::string request_id) {
  CliError error(exit_for(status), fmt::format("the server answered {}", status), hint_for(status));
  error.request_id = std::move(request_id);
  error.http_status = status;
  const Json answer = Json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("detail")) return error;
  const Json& detail = answer["detail"];
  if (detail.is_string()) {
    error.message = detail.get<std::string>();
  } else if (detail.is_array()) {
    for (const Json& fault : detail) error.details.push_back(fault_line(fault));
    error.message =
        error.details.size() == 1
            ? "the server rejects the request"
            : fmt::format("the server rejects the request for {} faults", error.details.size());
  }
  return error;
}

}  // namespace webhookd
