#pragma once

// What an action has at hand.

#include <chrono>
#include <cstdint>
#include <exception>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "api/api.h"
#include "api/attempt_streams.h"
#include "api/authenticator.h"
#include "api/catalogue.h"
#include "api/errors.h"
#include "api/http.h"
#include "api/principal.h"
#include "api/readiness.h"
#include "api/router.h"
#include "api/validation.h"
#include "delivery/dispatcher.h"
#include "shared/model_json.h"
#include "store/store.h"

namespace webhookd {

// Lives as long as the API. Everything in it is thread-safe.
struct Services {
  const ApiOptions& options;
  Store& store;
  Dispatcher& dispatcher;
  const Clock& clock;
  Random& random;
  Catalogue& catalogue;
  const Authenticator& authenticator;
  Readiness& readiness;
  AttemptStreams& streams;
  Timestamp started_at;
};

// One request on its way through one action.
struct Call {
  const HttpRequest& request;
  const Principal& principal;
  const PathParams& params;
  Services& services;

  Timestamp now() const { return services.clock.now(); }
  ChangeContext change_context() const;
  const std::string& param(std::string_view name) const { return params.at(name); }
};

// The answer to a request whose action failed with `failure`; logs what is our own fault.
HttpResponse failure_response(const HttpRequest& request, const std::exception_ptr& failure);

HttpResponse json_response(int status, const Json& body);
HttpResponse no_content();

// `{delivery_id}` of the path. Throws ValidationError (int_parsing).
DeliveryId delivery_id_param(const Call& call);
// The same beside other parameters: notes the fault in place of throwing it.
DeliveryId delivery_id_param(const Call& call, Faults& faults);

// The webhook that `{webhook_id}` names. Throws ApiError 404 when there is none, or none that the
// principal may see.
Webhook visible_webhook(const Call& call);

ApiError webhook_not_found();
ApiError delivery_not_found();

// A webhook with what its shard loop knows of it now.
Json webhook_json(const Call& call, const Webhook& webhook);

}  // namespace webhookd
