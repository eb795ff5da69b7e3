#include "store/sqlite/lists.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "store/sqlite/delivery_rows.h"
#include "store/sqlite/kept_numbers.h"

namespace webhookd {
namespace {

constexpr std::int64_t kMostCounted = 10'000;

// Where the ids come from: one webhook's own index, or the whole table.
enum class Source { of_webhook, whole_table };

// Conditions as they are numbered in every statement here:
// ?1 webhook, ?2 status, ?3 type, ?4 since, ?5 until, ?6 and ?7 response status, ?8 before,
// ?11 and ?12 tenant and partner of the event.
std::string conditions(const DeliveryFilter& filter, Source source) {
  std::string sql =
      source == Source::of_webhook ? " WHERE d.webhook_seq = ?1" : " WHERE w.deleted_at IS NULL";
  if (filter.status == DeliveryStatus::succeeded) {
    sql += " AND d.status = ?2";
  } else if (filter.status) {
    sql += " AND d.status = ?2 AND d.status <> 2";  // as the partial index has it
  }
  if (filter.event_type) sql += " AND e.type = ?3";
  if (filter.since) sql += " AND d.created_at >= ?4";
  if (filter.until) sql += " AND d.created_at < ?5";
  if (filter.response_status && filter.response_status->second == 0) {
    sql += " AND d.response_status IS NULL AND d.attempt_count > 0";
  } else if (filter.response_status) {
    sql += " AND d.response_status BETWEEN ?6 AND ?7";
  }
  if (filter.events_visible_to != Binding{}) {
    sql += " AND (?11 IS NULL OR ifnull(e.tenant, '') = ?11)";
    sql += " AND (?12 IS NULL OR ifnull(e.partner, '') = ?12)";
  }
  return sql + " AND d.id < ?8";
}

std::string tables(const DeliveryFilter& filter, Source source) {
  std::string sql = " FROM deliveries d";
  if (source == Source::whole_table) {
    sql += " NOT INDEXED CROSS JOIN webhooks w ON w.seq = d.webhook_seq";
  } else if (filter.status && filter.status != DeliveryStatus::succeeded) {
    sql += " INDEXED BY deliveries_status";
  } else {
    sql += " INDEXED BY deliveries_list";
  }
  if (filter.event_type || filter.events_visible_to != Binding{})
    sql += " CROSS JOIN events e ON e.seq = d.event_seq";
  return sql;
}

struct Slice {
  std::int64_t offset = 0;
  std::int64_t limit = 0;
};

Query filtered(Connection& db, const std::string& sql, const DeliveryFilter& filter,
               std::int64_t webhook_seq, Slice slice) {
  std::optional<int> status;
  if (filter.status) status = static_cast<int>(*filter.status);
  std::optional<int> low;
  std::optional<int> high;
  if (filter.response_status) {
    low = filter.response_status->first;
    high = filter.response_status->second;
  }
  const std::int64_t before =
      filter.before ? filter.before->value : std::numeric_limits<std::int64_t>::max();
  if (filter.events_visible_to == Binding{}) {
    return db.query(sql, webhook_seq, status, filter.event_type, filter.since, filter.until, low,
                    high, before, slice.limit, slice.offset);
  }
  return db.query(sql, webhook_seq, status, filter.event_type, filter.since, filter.until, low,
                  high, before, slice.limit, slice.offset, filter.events_visible_to.tenant_id,
                  filter.events_visible_to.partner_id);
}

std::vector<DeliveryId> find_ids(Connection& db, const DeliveryFilter& filter, Source source,
                                 std::int64_t webhook_seq, Slice slice) {
  const std::string sql = "SELECT d.id" + tables(filter, source) + conditions(filter, source) +
                          " ORDER BY d.id DESC LIMIT ?9 OFFSET ?10";
  std::vector<DeliveryId> ids;
  Query rows = filtered(db, sql, filter, webhook_seq, slice);
  while (rows.step()) ids.push_back(DeliveryId{rows.integer(0)});
  return ids;
}

// Stops at `most`.
std::int64_t count_rows(Connection& db, const DeliveryFilter& filter, Source source,
                        std::int64_t webhook_seq, std::int64_t most) {
  const std::string sql = "SELECT count(*) FROM (SELECT 1" + tables(filter, source) +
                          conditions(filter, source) + " LIMIT ?9 OFFSET ?10)";
  DeliveryFilter all_pages = filter;
  all_pages.before.reset();
  Query row = filtered(db, sql, all_pages, webhook_seq, {0, most});
  row.step();
  return row.integer(0);
}

// Drops the condition on events from `filter` when none of these webhooks was ever handed over:
// then each event is of the binding that its webhook has, and kept counters tell how many there
// are.
std::vector<std::int64_t> visible_webhooks(Connection& db, DeliveryFilter& filter) {
  std::optional<std::string> id;
  if (filter.webhook_id) id = filter.webhook_id->value;
  std::vector<std::int64_t> seqs;
  bool handed_over = false;
  Query rows = db.query(
      "SELECT seq, rebound FROM webhooks WHERE deleted_at IS NULL AND (?1 IS NULL OR id = ?1)"
      " AND (?2 IS NULL OR ifnull(tenant, '') = ?2) AND (?3 IS NULL OR ifnull(partner, '') = ?3)",
      id, filter.visible_to.tenant_id, filter.visible_to.partner_id);
  while (rows.step()) {
    seqs.push_back(rows.integer(0));
    handed_over = handed_over || rows.flag(1);
  }
  if (!handed_over) filter.events_visible_to = {};
  return seqs;
}

bool counters_suffice(const DeliveryFilter& filter) {
  return !filter.event_type && !filter.since && !filter.until && !filter.response_status;
}

bool whole_table_serves(const DeliveryFilter& filter) {
  return !filter.webhook_id && !filter.status && filter.visible_to == Binding{};
}

void fill_total(Connection& db, const DeliveryFilter& filter,
                const std::vector<std::int64_t>& webhooks, DeliveryPage& page) {
  if (counters_suffice(filter) && filter.events_visible_to == Binding{}) {
    const KeptNumbers numbers(db);
    for (const std::int64_t seq : webhooks) page.total += numbers.deliveries(seq, filter.status);
    return;
  }
  const std::int64_t most = kMostCounted + 1;
  if (whole_table_serves(filter)) {
    page.total = count_rows(db, filter, Source::whole_table, 0, most);
  } else {
    for (const std::int64_t seq : webhooks) {
      page.total += count_rows(db, filter, Source::of_webhook, seq, most - page.total);
    }
  }
  page.total_capped = page.total > kMostCounted;
  page.total = std::min(page.total, kMostCounted);
}

// The newest of several webhooks are among the newest of each. At most `needed`.
std::vector<DeliveryId> newest_of(Connection& db, const DeliveryFilter& filter,
                                  const std::vector<std::int64_t>& webhooks, std::int64_t needed) {
  std::vector<DeliveryId> all;
  for (const std::int64_t seq : webhooks) {
    const auto ids = find_ids(db, filter, Source::of_webhook, seq, {0, needed});
    all.insert(all.end(), ids.begin(), ids.end());
    std::ranges::sort(all, std::greater{});
    if (static_cast<std::int64_t>(all.size()) > needed) {
      all.resize(static_cast<std::size_t>(needed));
    }
  }
  return all;
}

// Deep pages are reached in strides, so that what is skipped is never held at once.
std::vector<DeliveryId> merged_ids(Connection& db, DeliveryFilter filter,
                                   const std::vector<std::int64_t>& webhooks, Slice slice) {
  while (slice.offset > 0) {
    const std::int64_t stride = std::min(slice.offset, kMostCounted);
    const auto skipped = newest_of(db, filter, webhooks, stride);
    if (static_cast<std::int64_t>(skipped.size()) < stride) return {};
    filter.before = skipped.back();
    slice.offset -= stride;
  }
  return newest_of(db, filter, webhooks, slice.limit);
}

std::vector<DeliveryId> page_ids(Connection& db, const DeliveryFilter& filter,
                                 const std::vector<std::int64_t>& webhooks, Slice slice) {
  if (whole_table_serves(filter)) return find_ids(db, filter, Source::whole_table, 0, slice);
  if (webhooks.size() == 1) {
    return find_ids(db, filter, Source::of_webhook, webhooks.front(), slice);
  }
  return merged_ids(db, filter, webhooks, slice);
}

Slice slice_of(const PageRequest& page) {
  // One more than the page holds shows whether there is more.
  return {(std::int64_t{page.page} - 1) * page.per_page, page.per_page + 1};
}

}  // namespace

bool is_search(const DeliveryFilter& filter, const PageRequest& page) {
  return !counters_suffice(filter) || slice_of(page).offset >= kMostCounted;
}

DeliveryPage list_deliveries(Connection& db, const DeliveryFilter& wanted,
                             const PageRequest& page) {
  DeliveryPage result;
  DeliveryFilter filter = wanted;
  const std::vector<std::int64_t> webhooks = visible_webhooks(db, filter);
  fill_total(db, filter, webhooks, result);
  const Slice slice = slice_of(page);
  if (!result.total_capped && slice.offset >= result.total) return result;
  std::vector<DeliveryId> ids = page_ids(db, filter, webhooks, slice);
  result.more = ids.size() > static_cast<std::size_t>(page.per_page);
  if (result.more) ids.pop_back();
  for (const DeliveryId id : ids) {
    auto delivery = load_delivery(db, id);
    if (delivery) result.items.push_back(std::move(*delivery));
  }
  return result;
}

std::optional<DeliveryDetail> load_detail(Connection& db, DeliveryId id) {
  auto delivery = load_delivery(db, id);
  if (!delivery) return std::nullopt;
  DeliveryDetail detail;
  detail.delivery = std::move(*delivery);
  Query row = db.query(
      "SELECT w.url, e.body FROM deliveries d JOIN webhooks w ON w.seq = d.webhook_seq"
      " JOIN events e ON e.seq = d.event_seq WHERE d.id = ?1",
      id.value);
  if (row.step()) {
    detail.url = row.text(0);
    detail.body = row.text(1);
  }
  detail.attempts = load_attempts(db, id);
  return detail;
}

}  // namespace webhookd
