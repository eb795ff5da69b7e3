#pragma once

// Which action answers a request. Paths are matched by segments: "/a/{name}/b". A trailing slash
// makes no difference; where a fixed segment and a parameter both fit, the fixed one wins.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"

namespace webhookd {

struct Call;

// What a principal needs for a route.
enum class Access {
  open,           // nobody is asked
  authenticated,  // any principal
  read,           // webhooks:read
  write,          // webhooks:write
  publish,        // events:publish
  super_read,     // super_admin, and webhooks:read where a scope narrows it
  super_write,
};

using Action = HttpResponse (*)(Call&);
// The same on the poller's thread, where nothing may be waited for (see QuickHandler). What it
// throws, and false, mean that the action is to do it.
using QuickAction = bool (*)(Call&, const Respond&);

struct Route {
  std::string_view method;
  std::string_view pattern;
  Access access;
  Action action;
  QuickAction quick = nullptr;
};

using PathParams = std::map<std::string_view, std::string>;

struct RouteMatch {
  const Route* route;
  PathParams params;
};

// Immutable after construction.
class Router {
 public:
  explicit Router(const std::vector<Route>& routes);

  // HEAD is answered by the route of GET. Throws ApiError: 404 for an unknown path, 405 with
  // Allow for a known one.
  RouteMatch match(std::string_view method, std::string_view path) const;

 private:
  struct Path {
    std::vector<std::string_view> segments;
    std::vector<Route> routes;
    std::string allow;
  };

  std::vector<Path> paths_;  // the more fixed ones first
};

}  // namespace webhookd
