#pragma once

// The whole API in one process, without its doors: requests go in as values. The store is real.

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/fake_dispatcher.h"
#include "api/handler.h"
#include "shared/model_json.h"
#include "store/store.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"

namespace webhookd {

inline const std::string kWebhooks = "/api/v1/admin/webhooks";
inline const std::string kOwnSecret(32, 'k');  // the daemon's own key in these tests

// Removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Who asks, and through which door.
struct Caller {
  std::optional<PeerCredentials> peer;
  std::optional<std::string> authorization;
};

struct Reply {
  int status = 0;
  HttpResponse response;
  Json json;  // null when the body is no JSON

  std::string header(std::string_view name) const;
  std::string detail() const { return json.at("detail").get<std::string>(); }
  // Of a 422, in order.
  std::vector<std::string> fault_types() const;
};

class ApiFixture {
 public:
  explicit ApiFixture(ApiOptions options = {});

  TemporaryFolder folder;
  FakeClock clock;
  FakeRandom random;
  FakeDispatcher dispatcher;
  std::unique_ptr<Store> store;
  std::unique_ptr<Handler> handler;

  // `target` may have a query. The body's type is JSON unless `headers` names another.
  Reply send(std::string_view method, const std::string& target, const std::string& body,
             const Caller& caller, const Headers& headers = {});
  // By root on the Unix socket.
  Reply send(std::string_view method, const std::string& target, const std::string& body = "");

  // A token of the daemon's own, good for an hour unless the claims say otherwise.
  Caller bearer(Json claims) const;

  // The id of a new webhook; the test fails when it is refused.
  std::string create(const Json& body);
  std::string create();
};

// A body with what a webhook must have.
Json webhook_body();

Caller root();
Caller anonymous();

}  // namespace webhookd
