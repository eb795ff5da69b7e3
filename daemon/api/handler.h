#pragma once

#include <memory>
#include <vector>

#include "api/api.h"
#include "api/attempt_streams.h"
#include "api/authenticator.h"
#include "api/catalogue.h"
#include "api/http.h"
#include "api/readiness.h"
#include "api/router.h"
#include "delivery/dispatcher.h"
#include "store/store.h"

namespace webhookd {

struct Services;

// Those of every resource: what a Handler answers.
std::vector<Route> all_routes();

// Answers requests: route, principal, rights, action. Thread-safe; never throws out of handle().
class Handler {
 public:
  // Throws std::runtime_error as Authenticator does. All references must outlive it.
  Handler(const ApiOptions& options, Store& store, Dispatcher& dispatcher, const Clock& clock,
          Random& random);

  HttpResponse handle(const HttpRequest& request);
  // A QuickHandler.
  bool answer_quickly(const HttpRequest& request, const Respond& respond);

  // From now on the daemon is not ready and has no streams; all else is answered as before.
  void begin_stop() {
    readiness_.begin_stop();
    streams_.stop();
  }

  std::optional<gid_t> admin_group() const { return authenticator_.admin_group(); }

 private:
  HttpResponse answer(const HttpRequest& request);
  Services services();

  const ApiOptions options_;
  Store& store_;
  Dispatcher& dispatcher_;
  const Clock& clock_;
  Random& random_;
  const Router router_;
  Authenticator authenticator_;
  Catalogue catalogue_;
  Readiness readiness_;
  AttemptStreams streams_;
  const Timestamp started_at_;
};

// The body of an answer to a request that no handler saw.
HttpResponse refusal_response(int status, std::string_view reason);

}  // namespace webhookd
