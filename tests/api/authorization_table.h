#pragma once

// Who asks, what for, and what the contract's section 2.5 grants: told once more, in another way.

#include <optional>
#include <string>
#include <vector>

#include "api/api_fixture.h"
#include "api/router.h"

namespace webhookd {

enum class Reach { nobody, without_rights, bound, all };

struct Asking {
  std::string name;
  Caller caller;
  Reach reach = Reach::all;
  Binding sees = {};      // with Reach::bound
  Binding may_name = {};  // the same, and what else its claims hold
  Verbs verbs{true, true, true};
  bool mints = false;  // on the socket, and not narrowed
};

// `api` must have an admin_group that is gid 0's.
std::vector<Asking> all_asking(const ApiFixture& api);

// What one half of a cell asks for.
struct Thing {
  std::string name;
  Binding binding;
  std::string webhook;
  std::string delivery;
  std::string event;
};

// A webhook of this tenant and partner with one delivery.
Thing make_thing(ApiFixture& api, std::string name, const Binding& binding);

// How a route tells whose thing is meant.
enum class NamedBy { nothing, by_path, by_query, by_body };

struct RouteRow {
  std::string method;
  std::string pattern;
  Access access;
  NamedBy names;
  int ok;
  Json body = nullptr;
};

std::vector<RouteRow> rows();

// Whether a request whose query or body can name the thing does so.
enum class Naming { silent, named };

int expected_status(const Asking& asking, const RouteRow& row, const Thing& thing, Naming naming);

Reply ask(ApiFixture& api, const Asking& asking, const RouteRow& row, const Thing& thing,
          Naming naming);

}  // namespace webhookd
