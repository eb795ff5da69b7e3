#include "api/envelope.h"

#include "shared/encoding.h"

namespace webhookd {

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
  event.body = envelope_text(std::move(sent), event.event_id, timestamp.value_or(now));
  return event;
}

}  // namespace webhookd
