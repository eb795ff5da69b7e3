#include "store/sqlite/events.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "store/sqlite/audit.h"
#include "store/sqlite/delivery_rows.h"

namespace webhookd {
namespace {

constexpr int kMostDeliveriesShown = 10'000;

struct Known {
  std::string type;
  std::string content_hash;
  std::int64_t deliveries = 0;
};

std::optional<Known> find_known(Connection& db, const NewEvent& event) {
  Query row = db.query(
      "SELECT type, content_hash, deliveries FROM events WHERE event_id = ?1"
      " AND ifnull(tenant, '') = ?2 AND ifnull(partner, '') = ?3",
      event.event_id, event.binding.tenant_id.value_or(""), event.binding.partner_id.value_or(""));
  if (!row.step()) return std::nullopt;
  return Known{row.text(0), row.blob(1), row.integer(2)};
}

using EventKey = std::tuple<std::string, std::string, std::string>;

EventKey key_of(const NewEvent& event) {
  return {event.event_id, event.binding.tenant_id.value_or(""),
          event.binding.partner_id.value_or("")};
}

// What each of a call's events is, before any is stored: duplicates may be among themselves.
PublishResult judge(Connection& db, std::span<const NewEvent> events) {
  PublishResult result;
  std::map<EventKey, const NewEvent*> first_of_call;
  for (const NewEvent& event : events) {
    PublishedEvent published{PublishedEvent::Outcome::accepted, event.event_id, event.event_type,
                             0};
    std::optional<Known> known = find_known(db, event);
    if (!known && events.size() > 1) {
      const auto [place, is_first] = first_of_call.emplace(key_of(event), &event);
      if (!is_first) known = Known{place->second->event_type, place->second->content_hash, 0};
    }
    if (known) {
      const bool same = known->content_hash == event.content_hash;
      published.outcome =
          same ? PublishedEvent::Outcome::duplicate : PublishedEvent::Outcome::conflict;
      published.event_type = known->type;
      published.deliveries = known->deliveries;
      result.stored = result.stored && same;
    }
    result.events.push_back(std::move(published));
  }
  return result;
}

// Its seq; absent when its binding has one with this id.
std::optional<std::int64_t> insert_event(Connection& db, const NewEvent& event,
                                         std::size_t deliveries, bool test, Timestamp now) {
  const std::int64_t inserted = db.run(
      "INSERT INTO events(event_id, type, tenant, partner, accepted_at, content_hash, deliveries,"
      " test, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
      event.event_id, event.event_type, event.binding.tenant_id, event.binding.partner_id, now,
      Blob{event.content_hash}, deliveries, test ? 1 : 0, event.body);
  if (inserted == 0) return std::nullopt;
  return db.last_insert_id();
}

// Whether a loop has left a place for its delivery. Once one has to wait, none overtakes it.
bool claims_at_once(Transaction& transaction, const NewEvent& event, const Subscriber& subscriber) {
  if (event.body.size() <= kMostStandingBytes && transaction.standing.take(subscriber)) return true;
  transaction.standing.set(subscriber, 0);
  return false;
}

// How many deliveries it made; absent when its binding has one with this id, and nothing is stored.
std::optional<std::int64_t> store_event(Transaction& transaction, const NewEvent& event,
                                        const std::vector<const Subscriber*>& wanted, Timestamp now,
                                        std::set<const Subscriber*>& woken) {
  const auto inserted = insert_event(transaction.db, event, wanted.size(), false, now);
  if (!inserted) return std::nullopt;
  const std::int64_t seq = *inserted;
  transaction.tally.accepted(seq, now);
  for (const Subscriber* subscriber : wanted) {
    const DeliveryStatus status = claims_at_once(transaction, event, *subscriber)
                                      ? DeliveryStatus::in_flight
                                      : DeliveryStatus::pending;
    const DeliveryId id = insert_delivery(
        transaction.db,
        {subscriber->seq, seq, subscriber->generation, subscriber->max_attempts, now, status});
    transaction.tally.count(subscriber->seq, false, status, 1);
    ++transaction.tally.rollup(subscriber->seq, now).created;
    if (status == DeliveryStatus::in_flight) {
      transaction.standing.hand_over(
          *subscriber, {id, event.event_id, event.event_type, 1, subscriber->max_attempts,
                        Trigger::automatic, now, event.body});
    } else if (subscriber->status == WebhookStatus::active) {
      woken.insert(subscriber);
    }
  }
  return static_cast<std::int64_t>(wanted.size());
}

// Most events are new: storing one tells. Absent when its binding has one with this id.
std::optional<PublishResult> publish_new(Transaction& transaction, const NewEvent& event,
                                         Timestamp now) {
  std::set<const Subscriber*> woken;
  const auto deliveries =
      store_event(transaction, event,
                  transaction.subscriptions.matching(event.binding, event.event_type), now, woken);
  if (!deliveries) return std::nullopt;
  PublishResult result;
  result.events.push_back(
      {PublishedEvent::Outcome::accepted, event.event_id, event.event_type, *deliveries});
  for (const Subscriber* subscriber : woken) result.woken.push_back(subscriber->id);
  return result;
}

// Duplicates within a call answer with what the first of them made.
void fill_counts_of_duplicates(std::span<const NewEvent> events, PublishResult& result) {
  std::map<EventKey, std::int64_t> made;
  for (std::size_t index = 0; index < events.size(); ++index) {
    PublishedEvent& published = result.events[index];
    const EventKey key = key_of(events[index]);
    if (published.outcome == PublishedEvent::Outcome::accepted) {
      made[key] = published.deliveries;
    } else if (made.contains(key)) {
      published.deliveries = made[key];
    }
  }
}

bool same_meaning(const Query& row, const EventType& type) {
  return !row.flag(3) && row.maybe_text(0) == type.description &&
         row.maybe_text(1) == type.resource_type && row.maybe_text(2) == type.schema;
}

}  // namespace

PublishResult publish(Transaction& transaction, std::span<const NewEvent> events, Timestamp now) {
  if (events.size() == 1) {
    if (auto result = publish_new(transaction, events.front(), now)) return std::move(*result);
  }
  PublishResult result = judge(transaction.db, events);
  if (!result.stored) return result;
  std::set<const Subscriber*> woken;
  for (std::size_t index = 0; index < events.size(); ++index) {
    PublishedEvent& published = result.events[index];
    if (published.outcome != PublishedEvent::Outcome::accepted) continue;
    const NewEvent& event = events[index];
    const auto& wanted = transaction.subscriptions.matching(event.binding, event.event_type);
    published.deliveries = store_event(transaction, event, wanted, now, woken).value();
  }
  if (events.size() > 1) fill_counts_of_duplicates(events, result);
  for (const Subscriber* subscriber : woken) result.woken.push_back(subscriber->id);
  return result;
}

void publish_own(Transaction& transaction, const NewEvent& event, std::int64_t about_seq,
                 Timestamp now, std::vector<WebhookId>& woken) {
  std::vector<const Subscriber*> wanted =
      transaction.subscriptions.matching(event.binding, event.event_type);
  std::erase_if(wanted, [&](const Subscriber* subscriber) { return subscriber->seq == about_seq; });
  std::set<const Subscriber*> with_work;
  store_event(transaction, event, wanted, now, with_work);
  for (const Subscriber* subscriber : with_work) woken.push_back(subscriber->id);
}

std::optional<ClaimedDelivery> begin_test(Transaction& transaction, const WebhookId& webhook,
                                          const NewEvent& event, const ChangeContext& context) {
  const Subscriber* subscriber = transaction.subscriptions.find(webhook);
  if (subscriber == nullptr) return std::nullopt;
  const std::int64_t seq = insert_event(transaction.db, event, 1, true, context.now).value();
  transaction.db.run(
      "INSERT INTO deliveries(webhook_seq, event_seq, status, generation, test, max_attempts,"
      " next_attempt_at, created_at) VALUES(?1, ?2, 1, ?3, 1, 1, ?4, ?4)",
      subscriber->seq, seq, subscriber->generation, context.now);
  const DeliveryId id{transaction.db.last_insert_id()};
  transaction.tally.count(subscriber->seq, true, DeliveryStatus::in_flight, 1);
  write_audit(transaction.db, context, "delivery.test", webhook, delivery_detail_text(id));
  return ClaimedDelivery{id, event.event_id, event.event_type, 1,
                         1,  Trigger::test,  context.now,      event.body};
}

std::vector<Event> find_events(Connection& db, std::string_view event_id) {
  std::vector<Event> events;
  Query rows = db.query(
      "SELECT event_id, type, tenant, partner, accepted_at, body FROM events WHERE event_id = ?1",
      event_id);
  while (rows.step()) {
    events.push_back({rows.text(0),
                      rows.text(1),
                      {rows.maybe_text(2), rows.maybe_text(3)},
                      rows.time(4),
                      rows.text(5)});
  }
  return events;
}

std::vector<Delivery> deliveries_of(Connection& db, const Event& event) {
  std::vector<Delivery> deliveries;
  Query rows =
      db.query("SELECT " WEBHOOKD_DELIVERY_COLUMNS
               " FROM events e CROSS JOIN deliveries d ON d.event_seq = e.seq"
               " CROSS JOIN webhooks w ON w.seq = d.webhook_seq"
               " WHERE e.event_id = ?1 AND ifnull(e.tenant, '') = ?2 AND ifnull(e.partner, '') = ?3"
               " AND w.deleted_at IS NULL ORDER BY d.webhook_seq, d.id LIMIT ?4",
               event.event_id, event.binding.tenant_id.value_or(""),
               event.binding.partner_id.value_or(""), kMostDeliveriesShown);
  while (rows.step()) deliveries.push_back(read_delivery(rows));
  std::ranges::sort(deliveries, {}, &Delivery::id);
  return deliveries;
}

std::vector<EventType> load_event_types(Connection& db) {
  std::vector<EventType> types;
  Query rows = db.query(
      "SELECT name, description, resource_type, schema, built_in FROM event_types ORDER BY name");
  while (rows.step()) {
    types.push_back(
        {rows.text(0), rows.maybe_text(1), rows.maybe_text(2), rows.maybe_text(3), rows.flag(4)});
  }
  return types;
}

bool add_event_type(Connection& db, const EventType& type, const ChangeContext& context) {
  {
    Query row = db.query(
        "SELECT description, resource_type, schema, built_in FROM event_types WHERE name = ?1",
        type.name);
    if (row.step()) return same_meaning(row, type);
  }
  db.run(
      "INSERT INTO event_types(name, description, resource_type, schema, built_in)"
      " VALUES(?1, ?2, ?3, ?4, 0)",
      type.name, type.description, type.resource_type, type.schema);
  write_audit(db, context, "event_type.add", std::nullopt, event_type_detail(type.name));
  return true;
}

bool remove_event_type(Connection& db, std::string_view name, const ChangeContext& context) {
  const bool removed = db.run("DELETE FROM event_types WHERE name = ?1 AND built_in = 0", name) > 0;
  if (removed) {
    write_audit(db, context, "event_type.remove", std::nullopt, event_type_detail(name));
  }
  return removed;
}

}  // namespace webhookd
