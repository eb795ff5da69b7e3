#include "api/webhook_body.h"

#include <algorithm>

#include "api/header_rules.h"
#include "shared/event_pattern.h"
#include "shared/model_json.h"
#include "shared/url.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxPatterns = 100;
constexpr std::size_t kMaxId = 255;
constexpr std::size_t kMaxMetadata = 20;
constexpr std::int64_t kMaxDelay = 7 * 86'400;
constexpr std::int64_t kMaxGrace = 604'800;

void read_url(Fields& fields, Presence presence, const WebhookRules& rules, Faults& faults,
              WebhookBody& body) {
  body.url =
      fields.text("url", presence, {0, kMaxUrlLength, ControlCharacters::line_breaks_and_tabs});
  if (!body.url.value) return;
  const Loc loc = fields.loc_of("url");
  const std::string input = fields.member("url")->text;
  const auto parsed = parse_url(*body.url.value);
  if (const auto* fault = std::get_if<UrlFault>(&parsed)) {
    switch (fault->kind) {
      case UrlFault::Kind::malformed:
        return faults.add(fault::url_parsing(loc, input, fault->reason));
      case UrlFault::Kind::scheme:
        return faults.add(fault::url_scheme(loc, input));
      case UrlFault::Kind::rule:
        return faults.add(fault::value_error(loc, input, fault->reason));
    }
  }
  const Url& url = std::get<Url>(parsed);
  if (const auto reason = rules.dispatcher.refused_literal(url)) {
    return faults.add(fault::value_error(loc, input, *reason));
  }
  body.host = url.host;
}

std::optional<std::string> pattern_fault(const std::string& pattern, Catalogue& catalogue) {
  const bool is_pattern = is_event_pattern(pattern);
  if (is_pattern && catalogue.is_matched(pattern)) return std::nullopt;
  const std::string why =
      is_pattern ? "the pattern matches no known event type"
                 : "a pattern is an event type of dot-separated words of a-z, 0-9 and _, such a "
                   "beginning followed by .*, or *";
  return why + catalogue.did_you_mean(pattern, Catalogue::Candidates::patterns);
}

void read_events(Fields& fields, Presence presence, Catalogue& catalogue, Faults& faults,
                 WebhookBody& body) {
  const auto items = fields.list("events", presence, 1, kMaxPatterns);
  if (!items.value) return;
  std::vector<std::string> patterns;
  for (std::size_t i = 0; i < items.value->size(); ++i) {
    const CanonicalMember& item = (*items.value)[i];
    const Loc loc = fields.loc_of("events") / static_cast<std::int64_t>(i);
    const auto pattern = read_text(item, loc, {}, faults);
    if (!pattern) continue;
    if (const auto why = pattern_fault(*pattern, catalogue)) {
      faults.add(fault::value_error(loc, item.text, *why));
    } else if (std::find(patterns.begin(), patterns.end(), *pattern) == patterns.end()) {
      patterns.push_back(*pattern);
    }
  }
  body.events = {true, std::move(patterns)};
}

void read_schedule(Fields& fields, Faults& faults, WebhookBody& body) {
  const auto items = fields.list("retry_schedule", Presence::nullable, 0, 20);
  body.retry_schedule.sent = items.sent;
  if (!items.value) return;
  std::vector<std::chrono::seconds> delays;
  for (std::size_t i = 0; i < items.value->size(); ++i) {
    const Loc loc = fields.loc_of("retry_schedule") / static_cast<std::int64_t>(i);
    if (const auto delay = read_integer((*items.value)[i], loc, {0, kMaxDelay}, faults)) {
      delays.emplace_back(*delay);
    }
  }
  body.retry_schedule.value = std::move(delays);
}

void read_metadata(Fields& fields, Faults& faults, WebhookBody& body) {
  const auto members = fields.dictionary("metadata", Presence::optional, kMaxMetadata);
  if (!members.value) return;
  std::map<std::string, std::string> metadata;
  for (const auto& [key, member] : *members.value) {
    const Loc loc = fields.loc_of("metadata") / key;
    const CanonicalMember name{CanonicalMember::Kind::string, json_quoted(key), key};
    const bool named = read_text(name, loc, {1, 100}, faults).has_value();
    auto value = read_text(member, loc, {0, 2048, ControlCharacters::line_breaks_and_tabs}, faults);
    if (named && value) metadata.emplace(key, std::move(*value));
  }
  body.metadata = {true, std::move(metadata)};
}

void read_status(Fields& fields, WebhookBody& body) {
  const auto status =
      fields.literal("status", Presence::optional, {"active", "paused", "disabled"});
  if (status.value) body.status = {true, parse_webhook_status(*status.value)};
}

void read_expiry(Fields& fields, Timestamp now, Faults& faults, WebhookBody& body) {
  body.expires_at = fields.time("expires_at", Presence::nullable);
  if (!body.expires_at.value || *body.expires_at.value > now) return;
  faults.add(fault::value_error(fields.loc_of("expires_at"), fields.member("expires_at")->text,
                                "this time is already past"));
}

std::optional<Secret> read_secret(Fields& fields, Faults& faults) {
  // Its characters are judged by the rule for secrets, whose words fit better.
  const auto text =
      fields.text("secret", Presence::nullable,
                  {kMinSecretLength, kMaxSecretLength, ControlCharacters::line_breaks_and_tabs});
  if (!text.value) return std::nullopt;
  if (const auto why = secret_fault(*text.value)) {
    faults.add(fault::value_error(fields.loc_of("secret"), fields.member("secret")->text, *why));
    return std::nullopt;
  }
  return Secret{*text.value};
}

void read_common(Fields& fields, const WebhookRules& rules, Faults& faults, WebhookBody& body) {
  body.description = fields.text("description", Presence::nullable,
                                 {0, 500, ControlCharacters::line_breaks_and_tabs});
  read_status(fields, body);
  body.tenant_id = fields.text("tenant_id", Presence::nullable, {1, kMaxId});
  body.partner_id = fields.text("partner_id", Presence::nullable, {1, kMaxId});
  body.timeout_seconds = fields.integer("timeout_seconds", Presence::optional, {1, 60});
  read_schedule(fields, faults, body);
  body.max_in_flight = fields.integer("max_in_flight", Presence::optional, {1, 256});
  body.rate_limit_per_second =
      fields.number("rate_limit_per_second", Presence::nullable, {0.01, 10'000});
  body.ordered = fields.boolean("ordered", Presence::optional);
  read_metadata(fields, faults, body);
  read_expiry(fields, rules.now, faults, body);
}

template <typename T, typename Field>
void put(const Given<T>& given, Field& field) {
  if (given.value) field = *given.value;
}

template <typename T>
void put_nullable(const Given<T>& given, std::optional<T>& field) {
  if (given.sent) field = given.value;
}

}  // namespace

WebhookBody parse_webhook_create(const CanonicalObject& object, const WebhookRules& rules) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  WebhookBody body;
  body.name = fields.text("name", Presence::nullable, {1, 100});
  read_url(fields, Presence::required, rules, faults, body);
  read_events(fields, Presence::required, rules.catalogue, faults, body);
  body.headers = read_headers(fields, MaskedValue::refused, rules.header_prefix, faults);
  read_common(fields, rules, faults, body);
  if (auto secret = read_secret(fields, faults)) body.secret = {true, std::move(secret)};
  fields.refuse_unknown();
  faults.check();
  return body;
}

WebhookBody parse_webhook_patch(const CanonicalObject& object, const WebhookRules& rules) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  WebhookBody body;
  body.name = fields.text("name", Presence::optional, {1, 100});
  read_url(fields, Presence::optional, rules, faults, body);
  read_events(fields, Presence::optional, rules.catalogue, faults, body);
  body.headers = read_headers(fields, MaskedValue::keeps_stored, rules.header_prefix, faults);
  read_common(fields, rules, faults, body);
  fields.refuse("secret", "the secret is changed by POST to rotate-secret");
  fields.refuse_unknown();
  faults.check();
  return body;
}

void apply(const WebhookBody& body, WebhookSettings& settings) {
  put(body.name, settings.name);
  put_nullable(body.description, settings.description);
  put(body.url, settings.url);
  put(body.events, settings.events);
  put(body.status, settings.status);
  if (body.headers.value) settings.headers = with_stored(*body.headers.value, settings.headers);
  if (body.timeout_seconds.value) {
    settings.timeout = std::chrono::seconds{*body.timeout_seconds.value};
  }
  put_nullable(body.retry_schedule, settings.retry_schedule);
  if (body.max_in_flight.value)
    settings.max_in_flight = static_cast<int>(*body.max_in_flight.value);
  put_nullable(body.rate_limit_per_second, settings.rate_limit_per_second);
  put(body.ordered, settings.ordered);
  put(body.metadata, settings.metadata);
  put_nullable(body.expires_at, settings.expires_at);
}

RotateBody parse_rotate(const CanonicalObject& object) {
  Faults faults;
  Fields fields(object, {std::string("body")}, faults);
  RotateBody body;
  const auto grace = fields.integer("grace_period_seconds", Presence::optional, {0, kMaxGrace});
  if (grace.value) body.grace = std::chrono::seconds{*grace.value};
  body.secret = read_secret(fields, faults);
  fields.refuse_unknown();
  faults.check();
  return body;
}

}  // namespace webhookd
