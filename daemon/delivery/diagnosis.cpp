#include "delivery/diagnosis.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>

namespace webhookd {
namespace {

constexpr std::size_t kLongestLocation = 200;
constexpr std::chrono::seconds kLongestTimeout{60};  // that a webhook may have

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  return text;
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Where a redirect leads, when that can be shown on one line.
std::optional<std::string> location(const Attempt& attempt) {
  for (const auto& [name, value] : attempt.response_headers) {
    const bool printable =
        std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (strcasecmp(name.c_str(), "location") == 0 && printable && !value.empty() &&
        value.size() <= kLongestLocation) {
      return value;
    }
  }
  return std::nullopt;
}

std::string client_error_advice(int status) {
  switch (status) {
    case 401:
    case 403:
      return fmt::format(
          "{}: the receiver refuses the signature or the credentials in `headers`; give it this "
          "webhook's secret (rotate it if it is lost), or correct `headers`.",
          status);
    case 404:
      return "404: the receiver knows no such path; correct the path in the webhook's url.";
    case 405:
      return "405: the receiver takes no POST at this path; correct the path in the webhook's url.";
    case 408:
      return "408: the receiver waited too long for the request; look at its load and its proxy.";
    case 410:
      return "410: the receiver is gone for good, so the webhook was disabled; set a new url and "
             "enable it, or delete it.";
    case 413:
      return "413: the event is larger than the receiver accepts; raise its body limit, then "
             "retry.";
    case 429:
      return "429: the receiver wants fewer requests; lower rate_limit_per_second or "
             "max_in_flight.";
    default:
      return fmt::format(
          "{}: the receiver refuses the request; its answer is in the attempt's response_body.",
          status);
  }
}

std::string status_advice(const Attempt& attempt) {
  const int status = attempt.response_status.value_or(0);
  if (status < 500) return client_error_advice(status);
  if (status == 502 || status == 504) {
    return fmt::format(
        "{}: the proxy before the receiver got no answer from it; check that the receiver runs.",
        status);
  }
  return fmt::format(
      "{}: the receiver failed; look for the event id in its log, mend it, then retry.", status);
}

std::string timeout_advice(const std::string& message, std::string_view subject,
                           std::chrono::seconds timeout) {
  const std::string_view what_to_do = [&]() -> std::string_view {
    if (holds(message, "resolving")) return "check the name servers of the url's host";
    if (holds(message, "connecting")) {
      return "check that the receiver is up and that no firewall drops the connection";
    }
    if (holds(message, "TLS")) return "check that the receiver speaks TLS on this port";
    if (timeout >= kLongestTimeout) return "let the receiver answer first and work later";
    return "let the receiver answer first and work later, or raise timeout_seconds";
  }();
  return fmt::format("{} {}; {}.", subject, message, what_to_do);
}

std::string tls_advice(const std::string& message) {
  if (holds(message, "expired")) return capitalised(message) + "; renew it, then retry.";
  if (holds(message, "self-signed") || holds(message, "authority")) {
    return capitalised(message) + "; use one of a public authority, or name yours in ca_file.";
  }
  if (holds(message, "not valid for")) {
    return capitalised(message) + "; use a name that the certificate holds, or renew it.";
  }
  return capitalised(message) + "; check the receiver's TLS settings (TLS 1.2 at least).";
}

std::string redirect_advice(const Attempt& attempt) {
  const int status = attempt.response_status.value_or(0);
  const auto target = location(attempt);
  if (!target) {
    return fmt::format("{}: redirects are not followed; set the webhook's url to the final one.",
                       status);
  }
  return fmt::format("{}: redirects are not followed; set the webhook's url to the final one: {}",
                     status, *target);
}

std::string connect_advice(const std::string& message) {
  if (holds(message, "refused")) {
    return capitalised(message) + "; start the receiver, or correct the port in the webhook's url.";
  }
  return capitalised(message) + "; check the receiver's network and the webhook's url.";
}

std::string advice(const Attempt& last, const DeliveryError& error, std::string_view subject,
                   std::chrono::seconds timeout) {
  switch (error.kind) {
    case ErrorKind::dns:
      return capitalised(error.message) + "; correct the webhook's url or the host's DNS records.";
    case ErrorKind::connect:
      return connect_advice(error.message);
    case ErrorKind::tls:
      return tls_advice(error.message);
    case ErrorKind::timeout:
      return timeout_advice(error.message, subject, timeout);
    case ErrorKind::blocked_address:
      return fmt::format("The address guard refuses to connect: {}.", error.message);
    case ErrorKind::http_status:
      return status_advice(last);
    case ErrorKind::redirect:
      return redirect_advice(last);
    case ErrorKind::protocol:
      return capitalised(error.message) + "; look at the log of the receiver or of its proxy.";
    case ErrorKind::interrupted:
      if (last.trigger == Trigger::test) {
        return "The test was broken off, so whether it arrived is unknown; send another one.";
      }
      return "The daemon stopped during the attempt, so whether it arrived is unknown; it is sent "
             "again unless its schedule is used up.";
    case ErrorKind::expired:
      return "It waited too long while its webhook was paused; resume the webhook, then retry.";
  }
  return {};
}

// Which attempts ended as the last one did.
std::string_view subject_of(std::span<const Attempt> attempts) {
  if (attempts.size() == 1) return "The attempt";
  const bool every = std::all_of(attempts.begin(), attempts.end(), [&](const Attempt& attempt) {
    return attempt.error == attempts.back().error;
  });
  return every ? "Every attempt" : "The last attempt";
}

}  // namespace

std::optional<std::string> diagnosis_of(const Delivery& delivery, std::span<const Attempt> attempts,
                                        std::chrono::seconds timeout) {
  if (delivery.status == DeliveryStatus::succeeded) return std::nullopt;
  if (delivery.error && delivery.error->kind == ErrorKind::expired) {
    return advice(Attempt{}, *delivery.error, {}, timeout);
  }
  if (attempts.empty() || !attempts.back().error) return std::nullopt;
  const Attempt& last = attempts.back();
  return advice(last, *last.error, subject_of(attempts), timeout);
}

}  // namespace webhookd
