#include "api/handler.h"

#include <typeinfo>

#include "api/call.h"
#include "api/errors.h"
#include "api/resources.h"
#include "observe/log.h"

namespace webhookd {

std::vector<Route> all_routes() {
  std::vector<Route> routes;
  for (const auto& of_resource :
       {webhook_routes(), event_routes(), event_batch_routes(), event_type_routes(),
        delivery_routes(), many_routes(), delivery_stream_routes(), test_send_routes(),
        stats_routes(), status_routes(), audit_routes(), token_routes(), health_routes()}) {
    routes.insert(routes.end(), of_resource.begin(), of_resource.end());
  }
  return routes;
}

namespace {

// All connections of a door wait while a request is answered quickly.
constexpr std::size_t kQuickBytes = 8 * 1024;

ApiError store_trouble(const StoreError& error) {
  const auto detail = [&]() -> const char* {
    switch (error.kind()) {
      case StoreError::Kind::full:
        return "The store has no space left for writes; try again later";
      case StoreError::Kind::low_space:
        return "Less disk space is free than min_free_space keeps back for results: no events or "
               "webhooks are taken until some is freed";
      case StoreError::Kind::unavailable:
        return "The store is not available; try again later";
      case StoreError::Kind::broken:
        return "The store is broken; the daemon is about to end";
    }
    return "";
  }();
  return {503, detail, {{"Retry-After", "5"}}};
}

}  // namespace

Handler::Handler(const ApiOptions& options, Store& store, Dispatcher& dispatcher,
                 const Clock& clock, Random& random)
    : options_(options),
      store_(store),
      dispatcher_(dispatcher),
      clock_(clock),
      random_(random),
      router_(all_routes()),
      authenticator_(options_, clock, random),
      catalogue_(store, clock),
      streams_(options.connections, store, clock),
      started_at_(clock.now()) {}

HttpResponse Handler::answer(const HttpRequest& request) {
  const RouteMatch match = router_.match(request.method, request.path);
  Principal principal;
  if (match.route->access != Access::open) principal = authenticator_.authenticate(request);
  require(principal, match.route->access);
  Services available = services();
  Call call{request, principal, match.params, available};
  return match.route->action(call);
}

Services Handler::services() {
  return {options_,   store_,         dispatcher_, clock_,   random_,
          catalogue_, authenticator_, readiness_,  streams_, started_at_};
}

bool Handler::answer_quickly(const HttpRequest& request, const Respond& respond) {
  if (request.method != "POST" || request.body.size() > kQuickBytes) return false;
  try {
    const RouteMatch match = router_.match(request.method, request.path);
    if (match.route->quick == nullptr) return false;
    const auto principal = authenticator_.recognise(request);
    if (!principal) return false;
    require(*principal, match.route->access);
    Services available = services();
    Call call{request, *principal, match.params, available};
    return match.route->quick(call, respond);
  } catch (const std::exception&) {
    return false;  // the action finds the same, and says it
  }
}

HttpResponse Handler::handle(const HttpRequest& request) {
  try {
    return answer(request);
  } catch (...) {
    return failure_response(request, std::current_exception());
  }
}

HttpResponse failure_response(const HttpRequest& request, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const ApiError& error) {
    return error_response(error);
  } catch (const ValidationError& error) {
    return error_response(error);
  } catch (const StoreError& error) {
    // Expected, and told once when it begins.
    if (error.kind() == StoreError::Kind::low_space) return error_response(store_trouble(error));
    log::error("{} {} (request {}): store: {}", request.method, request.path, request.request_id,
               error.what());
    return error_response(store_trouble(error));
  } catch (const std::exception& error) {
    // Only its type: the text may hold a piece of the request.
    log::error("{} {} (request {}): unexpected {}", request.method, request.path,
               request.request_id, typeid(error).name());
    return error_response(ApiError(500, "Internal Server Error"));
  }
}

HttpResponse refusal_response(int status, std::string_view reason) {
  return error_response(ApiError(status, std::string(reason)));
}

}  // namespace webhookd
