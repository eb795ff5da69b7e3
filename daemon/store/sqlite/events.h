#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "store/sqlite/writer.h"
#include "store/store.h"

namespace webhookd {

// Nothing is written when an event conflicts.
PublishResult publish(Transaction& transaction, std::span<const NewEvent> events, Timestamp now);
// The daemon's own event about a webhook, which does not get it itself; the webhooks with new work
// go to `woken`. Nothing happens when it was published before.
void publish_own(Transaction& transaction, const NewEvent& event, std::int64_t about_seq,
                 Timestamp now, std::vector<WebhookId>& woken);
std::optional<ClaimedDelivery> begin_test(Transaction& transaction, const WebhookId& webhook,
                                          const NewEvent& event, const ChangeContext& context);

std::vector<Event> find_events(Connection& db, std::string_view event_id);
std::vector<Delivery> deliveries_of(Connection& db, const Event& event);

std::vector<EventType> load_event_types(Connection& db);
bool add_event_type(Connection& db, const EventType& type, const ChangeContext& context);
bool remove_event_type(Connection& db, std::string_view name, const ChangeContext& context);

}  // namespace webhookd
