#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/query.h"
#include "api/resources.h"

namespace webhookd {
namespace {

Json entry_json(const AuditEntry& entry) {
  Json detail = Json::parse(entry.detail, nullptr, false);
  if (detail.is_discarded()) detail = nullptr;
  return {{"id", entry.id},
          {"at", format_rfc3339(entry.at)},
          {"actor", entry.actor},
          {"remote", entry.remote},
          {"request_id", entry.request_id},
          {"action", entry.action},
          {"webhook_id", entry.webhook_id ? Json(entry.webhook_id->value) : Json()},
          {"detail", std::move(detail)}};
}

// Newest first. No total: the log is long, and nobody asks how long.
HttpResponse list(Call& call) {
  Faults faults;
  Query query(call.request, faults);
  const int limit = query.page().per_page;
  const auto before = query.cursor("cursor");
  faults.check();
  std::optional<std::int64_t> before_id;
  if (before) before_id = before->value;
  // One more than asked for tells whether there is another page.
  std::vector<AuditEntry> entries = call.services.store.audit(before_id, limit + 1);
  const bool more = entries.size() > static_cast<std::size_t>(limit);
  if (more) entries.resize(static_cast<std::size_t>(limit));
  Json items = Json::array();
  for (const AuditEntry& entry : entries) items.push_back(entry_json(entry));
  return json_response(200,
                       {{"items", std::move(items)},
                        {"per_page", limit},
                        {"next_cursor", more ? Json(encode_cursor(entries.back().id)) : Json()}});
}

}  // namespace

std::vector<Route> audit_routes() {
  return {{"GET", "/api/v1/admin/audit", Access::super_read, list}};
}

}  // namespace webhookd
