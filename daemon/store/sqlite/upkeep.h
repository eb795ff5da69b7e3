#pragma once

#include <vector>

#include "store/sqlite/writer.h"

namespace webhookd {

// What the last process left in flight, when nothing has been claimed since.
std::vector<DeliveryId> find_in_flight(Connection& db);

// One transaction's worth of these, from their end: pending again. How many it made; the ids of
// their webhooks go to `changed`.
std::size_t recover_in_flight(Transaction& transaction, const std::vector<DeliveryId>& interrupted,
                              Timestamp now, std::vector<WebhookId>& changed);

// Leases that ended; the ids of the webhooks that it deleted go to `changed`.
MoreWork end_leases(Transaction& transaction, Timestamp now, std::vector<WebhookId>& changed);

// What disabling, or another tenant or partner, left waiting; the id of the webhook whose queue it
// changed goes to `changed`.
MoreWork settle_left_over(Transaction& transaction, Timestamp now, std::vector<WebhookId>& changed);

// Rows of a deleted webhook, its history first and itself last; with events that were accepted up
// to `events_until` and have no delivery any more.
MoreWork remove_deleted(Transaction& transaction, Timestamp events_until);

// Spans of events that are all gone: a few hundred a day.
void remove_old_spans(Transaction& transaction);

// Fine ones after 48 hours, coarse ones after 90 days.
MoreWork remove_old_rollups(Transaction& transaction, Timestamp now);

// Whether so many pages are unused that the file should shrink.
bool has_space_to_give(Connection& db);
// Some pages' worth.
void give_space_back(Connection& db);

}  // namespace webhookd
