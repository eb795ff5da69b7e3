#pragma once

#include <functional>
#include <optional>
#include <variant>

#include "store/sqlite/writer.h"
#include "store/store.h"

namespace webhookd {

// The methods of Store, inside a transaction of the writer...
std::variant<Webhook, WebhookFault> create_webhook(Transaction& transaction,
                                                   const NewWebhook& webhook,
                                                   const ChangeContext& context);
std::variant<Webhook, WebhookFault> update_webhook(
    Transaction& transaction, const WebhookId& id,
    const std::function<void(WebhookSettings&)>& change, const ChangeContext& context);
bool delete_webhook(Transaction& transaction, const WebhookId& id, const ChangeContext& context);
std::optional<Timestamp> rotate_secret(Transaction& transaction, const WebhookId& id,
                                       const Secret& secret, std::chrono::seconds grace,
                                       const ChangeContext& context);

// ...and of a reader.
std::optional<Webhook> find_webhook(Connection& db, const Sealer& sealer, const WebhookId& id);
WebhookPage list_webhooks(Connection& db, const Sealer& sealer, const WebhookFilter& filter,
                          const PageRequest& page);

}  // namespace webhookd
