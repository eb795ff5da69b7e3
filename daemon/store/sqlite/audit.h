#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/sqlite/connection.h"
#include "store/store.h"

namespace webhookd {

// `detail` is a JSON object without secrets or header values.
void write_audit(Connection& db, const ChangeContext& context, std::string_view action,
                 const std::optional<WebhookId>& webhook, const std::string& detail);

// The row that the batches of one call share: absent `audit_id` makes it, else it gets the new
// detail. Its id.
std::int64_t write_progress(Connection& db, const ChangeContext& context, std::string_view action,
                            const WebhookId& webhook, const std::string& detail,
                            std::optional<std::int64_t> audit_id);

// Newest first, ids below `before_id`.
std::vector<AuditEntry> load_audit(Connection& db, std::optional<std::int64_t> before_id,
                                   int limit);

// Details: everything that was set; what differs, as {"field": {"from", "to"}}; and others.
std::string settings_detail(const WebhookSettings& settings);
std::string difference_detail(const WebhookSettings& from, const WebhookSettings& to);
std::string reason_detail(const std::string& reason);
std::string delivery_detail_text(DeliveryId id);
std::string grace_detail(std::chrono::seconds grace);
std::string event_type_detail(std::string_view name);
// What was asked for, as far as it was said, and what was done.
std::string batch_detail(const DeliveryFilter& filter, const BatchSum& sum);
std::string replay_detail(const ReplayBatch& batch, const BatchSum& sum);

}  // namespace webhookd
