#include "store/own_events.h"

#include <utility>

#include "shared/encoding.h"
#include "shared/envelope.h"

namespace webhookd {
namespace {

// Tokens are put into the query of a URL, and an event is shown to more people than its webhook.
std::string without_query(const std::string& url) { return url.substr(0, url.find('?')); }

void put_time(const char* name, const std::optional<Timestamp>& time, CanonicalObject& members) {
  if (time) members.emplace(name, string_member(format_rfc3339(*time)));
}

CanonicalObject data_about(const Webhook& webhook) {
  CanonicalObject data;
  data.emplace("webhook_id", string_member(webhook.id.value));
  data.emplace("name", string_member(webhook.settings.name));
  data.emplace("url", string_member(without_query(webhook.settings.url)));
  return data;
}

NewEvent event_about(const Webhook& webhook, const char* type, const CanonicalObject& data,
                     const std::string& event_id, Timestamp now) {
  CanonicalObject members;
  members.emplace("event_type", string_member(type));
  members.emplace("data", object_member(data));
  members.emplace("resource", object_member({{"type", string_member("webhook")},
                                             {"id", string_member(webhook.id.value)}}));
  members.emplace("actor", object_member({{"type", string_member("daemon")},
                                          {"id", string_member("webhookd")}}));
  put_binding(webhook.settings.binding, members);
  NewEvent event;
  event.event_id = event_id;
  event.event_type = type;
  event.binding = webhook.settings.binding;
  event.content_hash = sha256(canonical_text(members));
  event.body = envelope_text(std::move(members), event_id, now);
  return event;
}

}  // namespace

NewEvent disabled_event(const Webhook& webhook, const Disabling& disabling, Timestamp now) {
  CanonicalObject data = data_about(webhook);
  data.emplace("reason", string_member(disabling.reason));
  data.emplace("consecutive_failures", number_member(webhook.health.consecutive_failures));
  put_time("failing_since", webhook.health.failing_since, data);
  put_time("disabled_at", webhook.disabled_at, data);
  return event_about(webhook, "webhook.disabled", data, disabling.event_id, now);
}

NewEvent recovered_event(const Webhook& webhook, const Recovery& recovery, Timestamp now) {
  CanonicalObject data = data_about(webhook);
  data.emplace("consecutive_failures", number_member(recovery.consecutive_failures));
  put_time("failing_since", recovery.failing_since, data);
  put_time("recovered_at", recovery.recovered_at, data);
  return event_about(webhook, "webhook.recovered", data, recovery.event_id, now);
}

}  // namespace webhookd
