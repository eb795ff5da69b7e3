#include "cli/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/raw_json.h"

namespace webhookd {
namespace {

// Servers of the reference may allow fewer than ours does (200).
constexpr std::size_t kPerPage = 100;
// A list that never ends must not run for ever.
constexpr int kMaxPages = 10'000;

struct Page {
  std::vector<Json> items;
  std::vector<std::string> raw;
  std::optional<std::int64_t> total;
  std::optional<std::int64_t> pages;
  bool cursor_offered = false;
  std::optional<std::string> next_cursor;
  bool bare = false;
};

CliError no_list() {
  return CliError(Exit::internal, "the server's answer is no list", kIsItWebhookd);
}

std::optional<std::int64_t> number_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::string_view items_name(const Json& body) {
  for (const std::string_view name : {"items", "data", "results"}) {
    const auto found = body.find(std::string(name));
    if (found != body.end() && found->is_array()) return name;
  }
  throw no_list();
}

Page read_page(const Answer& answer) {
  Page page;
  const Json body = parse_answer(answer);
  std::string_view array = answer.body;
  if (body.is_object()) {
    const std::string_view name = items_name(body);
    for (const auto& [key, value] : raw_members(answer.body)) {
      if (key == name) array = value;
    }
    page.items = body[std::string(name)].get<std::vector<Json>>();
    page.total = number_in(body, "total");
    page.pages = number_in(body, "pages");
    const auto cursor = body.find("next_cursor");
    page.cursor_offered = cursor != body.end();
    if (page.cursor_offered && cursor->is_string()) page.next_cursor = cursor->get<std::string>();
  } else if (body.is_array()) {
    page.items = body.get<std::vector<Json>>();
    page.bare = true;
  } else {
    throw no_list();
  }
  for (const std::string_view element : raw_elements(array)) page.raw.emplace_back(element);
  if (page.raw.size() != page.items.size()) throw no_list();
  return page;
}

// Collects pages into a listing.
class Collector {
 public:
  explicit Collector(const ListQuery& query) : query_(query) {}

  // What fits and passes the filter. False: nothing more is wanted.
  bool take(const Page& page) {
    seen_ += page.items.size();
    for (std::size_t i = 0; i < page.items.size(); ++i) {
      if (query_.keep && !query_.keep(page.items[i])) {
        dropped_ = true;
      } else if (full()) {
        listing_.more = true;
        return false;
      } else {
        listing_.items.push_back(page.items[i]);
        listing_.raw.push_back(page.raw[i]);
      }
    }
    return true;
  }

  bool full() const { return query_.limit && listing_.items.size() >= *query_.limit; }
  std::size_t seen() const { return seen_; }
  void cut() { listing_.more = true; }

  // `single`: only the first page held anything.
  Listing finish(const Answer& first, const Page& first_page, bool single) {
    // Ours knows every filter.
    const bool counts_ours = !query_.keep || !first.server_version.empty();
    if (counts_ours && !dropped_) listing_.total = first_page.total;
    const bool whole = listing_.items.size() == seen_;
    listing_.json = single && whole ? first.body : merged(first_page);
    return std::move(listing_);
  }

 private:
  // What was cut off is still counted, and lies on further pages of the same size.
  std::string merged(const Page& first_page) const {
    std::string array = fmt::format("[{}]", fmt::join(listing_.raw, ","));
    if (first_page.bare) return array;
    const auto count = static_cast<std::int64_t>(listing_.raw.size());
    const std::int64_t total = std::max(count, listing_.total.value_or(count));
    const std::int64_t pages = listing_.more && count > 0 ? (total - 1) / count + 1 : 1;
    return fmt::format("{{\"items\":{},\"total\":{},\"page\":1,\"per_page\":{},\"pages\":{}}}",
                       array, total, count, pages);
  }

  const ListQuery& query_;
  Listing listing_;
  std::size_t seen_ = 0;
  bool dropped_ = false;  // the filter took something out
};

Request page_request(const ListQuery& query, std::size_t per_page, int number,
                     const std::optional<std::string>& cursor) {
  Request request{"GET", query.path, query.query, std::nullopt};
  if (cursor) {
    request.query.emplace_back("cursor", *cursor);
  } else {
    request.query.emplace_back("page", std::to_string(number));
  }
  request.query.emplace_back("per_page", std::to_string(per_page));
  return request;
}

// Whether the server holds more than what was seen, as far as it says.
bool may_have_more(const Page& page, int number, std::size_t seen) {
  if (page.items.empty()) return false;
  if (page.cursor_offered) return page.next_cursor.has_value();
  if (page.pages) return number < *page.pages;
  if (page.total) return seen < static_cast<std::size_t>(std::max<std::int64_t>(*page.total, 0));
  return true;
}

}  // namespace

Json parse_answer(const Answer& answer) {
  const bool deep = nests_too_deep(answer.body);
  Json body = deep ? Json(Json::value_t::discarded) : Json::parse(answer.body, nullptr, false);
  if (body.is_discarded()) {
    CliError error(
        Exit::internal,
        deep ? "the server's answer is nested too deeply" : "the server's answer is no JSON",
        kIsItWebhookd);
    error.request_id = answer.request_id;
    throw error;
  }
  return body;
}

Json parse_object(const Answer& answer) {
  Json body = parse_answer(answer);
  if (!body.is_object()) {
    CliError error(Exit::internal, "the server's answer is no JSON object", kIsItWebhookd);
    error.request_id = answer.request_id;
    throw error;
  }
  return body;
}

Listing listing_of(const Answer& answer) {
  Page page = read_page(answer);
  Listing listing;
  listing.items = std::move(page.items);
  listing.raw = std::move(page.raw);
  listing.json = answer.body;
  listing.total = page.total;
  return listing;
}

Listing fetch_list(Client& client, const ListQuery& query) {
  const std::size_t per_page = std::clamp<std::size_t>(query.limit.value_or(kPerPage), 1, kPerPage);
  Collector collector(query);
  const Answer first = client.call(page_request(query, per_page, 1, std::nullopt));
  const Page first_page = read_page(first);
  Page page = first_page;
  bool single = true;
  for (int number = 1;; ++number) {
    const bool open = collector.take(page);
    const bool rest = may_have_more(page, number, collector.seen());
    if (!open || !rest) break;
    // Without a total only the next page tells; it is not worth asking for when the limit is met.
    if (collector.full() || number >= kMaxPages) {
      collector.cut();
      break;
    }
    const Page next =
        read_page(client.call(page_request(query, per_page, number + 1, page.next_cursor)));
    const bool repeated = !next.raw.empty() && !page.raw.empty() && next.raw[0] == page.raw[0];
    if (next.raw.empty() || repeated) break;
    single = false;
    page = next;
  }
  return collector.finish(first, first_page, single);
}

}  // namespace webhookd
