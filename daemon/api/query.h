#pragma once

// Reads query parameters. Of a repeated one the last counts; unknown ones are ignored.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http.h"
#include "api/validation.h"
#include "shared/time.h"
#include "store/store.h"

namespace webhookd {

// `request` and `faults` must outlive it. What is faulty is noted and comes back absent.
class Query {
 public:
  Query(const HttpRequest& request, Faults& faults) : request_(request), faults_(faults) {}

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::optional<std::int64_t> integer(std::string_view name, const IntegerRange& range);
  std::optional<std::string> text(std::string_view name, const TextRule& rule = {});
  std::optional<std::string> literal(std::string_view name,
                                     const std::vector<std::string_view>& expected);
  std::optional<Timestamp> time(std::string_view name);
  // "true" or "false" in any of the spellings that FastAPI takes; absent means false.
  bool flag(std::string_view name);
  // `page` and `per_page` with the contract's bounds and defaults; a page beyond all that there
  // can be becomes the last that can be named.
  PageRequest page();
  std::optional<std::pair<int, int>> response_status(std::string_view name);
  // What encode_cursor() made.
  std::optional<DeliveryId> cursor(std::string_view name);

  void refuse(std::string_view name, std::string_view why);

 private:
  const std::string* find(std::string_view name) const;

  const HttpRequest& request_;
  Faults& faults_;
};

// "500" -> {500, 500}, "5xx" or "5XX" -> {500, 599}, "none" -> {0, 0}; absent for anything else.
std::optional<std::pair<int, int>> parse_response_status(std::string_view text);
inline constexpr std::string_view kNoResponseStatus =
    "a status like 500, a class like 5xx, or none is needed";

// Opaque to callers.
std::string encode_cursor(std::int64_t last_id);

// A whole number as a path or query spells it; absent when it is none. One beyond 64 bits becomes
// the nearest that fits.
std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace webhookd
