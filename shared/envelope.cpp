#include "shared/envelope.h"

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

CanonicalMember number_member(std::int64_t number) {
  return {CanonicalMember::Kind::number, std::to_string(number), {}};
}

CanonicalMember object_member(const CanonicalObject& members) {
  return {CanonicalMember::Kind::object, canonical_text(members), {}};
}

void put_binding(const Binding& binding, CanonicalObject& members) {
  put("tenant_id", binding.tenant_id, members);
  put("partner_id", binding.partner_id, members);
}

std::string envelope_text(CanonicalObject members, std::string_view event_id, Timestamp timestamp) {
  members.insert_or_assign("event_id", string_member(event_id));
  members.insert_or_assign("timestamp", string_member(format_rfc3339(timestamp)));
  return canonical_text(members);
}

}  // namespace webhookd
