#include "api/envelope.h"

#include "shared/encoding.h"

namespace webhookd {
namespace {

void put(const char* name, const std::optional<std::string>& id, CanonicalObject& members) {
  if (id) {
    members.insert_or_assign(name, string_member(*id));
  } else {
    members.erase(name);
  }
}

}  // namespace

CanonicalMember string_member(std::string_view text) {
  return {CanonicalMember::Kind::string, canonical_string(text), std::string(text)};
}

void put_binding(const Binding& binding, CanonicalObject& members) {
  put("tenant_id", binding.tenant_id, members);
  put("partner_id", binding.partner_id, members);
}

NewEvent make_event(CanonicalObject sent, const Binding& binding, std::string default_event_id,
                    std::optional<Timestamp> timestamp, Timestamp now) {
  std::erase_if(sent,
                [](const auto& entry) { return entry.second.kind == CanonicalMember::Kind::null; });
  put_binding(binding, sent);
  NewEvent event;
  event.content_hash = sha256(canonical_text(sent));
  event.binding = binding;
  event.event_type = sent.at("event_type").string;
  const auto id = sent.find("event_id");
  event.event_id = id == sent.end() ? std::move(default_event_id) : id->second.string;
  sent.insert_or_assign("event_id", string_member(event.event_id));
  sent.insert_or_assign("timestamp", string_member(format_rfc3339(timestamp.value_or(now))));
  event.body = canonical_text(sent);
  return event;
}

}  // namespace webhookd
