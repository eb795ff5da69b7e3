#include "api/router.h"

#include <algorithm>

#include "api/errors.h"

namespace webhookd {
namespace {

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool fits(const std::vector<std::string_view>& pattern,
          const std::vector<std::string_view>& segments) {
  return std::equal(pattern.begin(), pattern.end(), segments.begin(), segments.end(),
                    [](std::string_view expected, std::string_view actual) {
                      return is_parameter(expected) ? !actual.empty() : expected == actual;
                    });
}

// Sorts fixed segments before parameters, the first difference deciding.
bool more_fixed(const std::vector<std::string_view>& left,
                const std::vector<std::string_view>& right) {
  return std::lexicographical_compare(
      left.begin(), left.end(), right.begin(), right.end(),
      [](std::string_view a, std::string_view b) { return !is_parameter(a) && is_parameter(b); });
}

}  // namespace

Router::Router(const std::vector<Route>& routes) {
  for (const Route& route : routes) {
    const auto segments = segments_of(route.pattern);
    auto path = std::find_if(paths_.begin(), paths_.end(),
                             [&](const Path& known) { return known.segments == segments; });
    if (path == paths_.end()) path = paths_.insert(paths_.end(), Path{segments, {}, ""});
    path->routes.push_back(route);
    if (!path->allow.empty()) path->allow += ", ";
    path->allow += route.method;
    if (route.method == "GET") path->allow += ", HEAD";
  }
  std::stable_sort(paths_.begin(), paths_.end(), [](const Path& left, const Path& right) {
    return more_fixed(left.segments, right.segments);
  });
}

RouteMatch Router::match(std::string_view method, std::string_view path) const {
  const auto segments = segments_of(path.starts_with('/') ? path : "/");
  const auto known = std::find_if(paths_.begin(), paths_.end(), [&](const Path& candidate) {
    return fits(candidate.segments, segments);
  });
  if (known == paths_.end()) throw ApiError(404, "Not Found");
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  const auto route = std::find_if(known->routes.begin(), known->routes.end(),
                                  [&](const Route& each) { return each.method == wanted; });
  if (route == known->routes.end()) {
    throw ApiError(405, "Method Not Allowed", {{"Allow", known->allow}});
  }
  RouteMatch match{&*route, {}};
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string_view name = known->segments[i];
    if (is_parameter(name)) {
      match.params.emplace(name.substr(1, name.size() - 2), std::string(segments[i]));
    }
  }
  return match;
}

}  // namespace webhookd
