#pragma once

// Lists as any server of the reference may answer them: our page object, {"data"} or {"results"}
// in place of "items", or a bare array.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "shared/model_json.h"

namespace webhookd {

struct ListQuery {
  std::string path;
  Query query;
  std::optional<std::size_t> limit;  // absent: all of them
  // Applied to what the server answers, in case it knows no such filter; empty: there is none.
  std::function<bool(const Json&)> keep;
};

struct Listing {
  std::vector<Json> items;
  std::vector<std::string> raw;  // the same, byte for byte
  // The server's own text when it is exactly what is listed; else one merged page.
  std::string json;
  bool more = false;  // the limit, or the bound on pages, cut it
  // How many there are; absent where the CLI filters what a server does not, since the server then
  // counts others too.
  std::optional<std::int64_t> total;
};

// Asks for pages until the limit or the end. A server that ignores the page number is asked twice
// at most. Throws CliError as Client::call does, and for an answer that is no list.
Listing fetch_list(Client& client, const ListQuery& query);

// One answer as it is, without asking for more.
Listing listing_of(const Answer& answer);

// An answer's body. Throws CliError (internal) when it is no JSON, or nested without sense.
Json parse_answer(const Answer& answer);

// The same for an answer that tells of one thing. Throws for anything but an object.
Json parse_object(const Answer& answer);

}  // namespace webhookd
