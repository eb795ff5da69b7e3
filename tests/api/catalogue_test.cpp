// The catalogue while many threads use it: what ASan and TSan are to see.

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <thread>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

const std::string kTypes = "/api/v1/admin/event-types";

// Assertions are not for threads: a step says whether its reply was right.
using Step = std::function<bool(Handler&)>;

HttpRequest request_of(const std::string& method, const std::string& path,
                       const std::string& body = "") {
  HttpRequest request;
  request.method = method;
  request.path = path;
  request.headers = {{"content-type", "application/json"}};
  request.body = body;
  request.peer = root().peer;
  request.request_id = "req-1";
  return request;
}

bool list_types(Handler& handler) {
  const HttpResponse response = handler.handle(request_of("GET", kWebhooks + "/events"));
  return response.status == 200 && response.body.find("user.created") != std::string::npos;
}

bool publish_misspelt(Handler& handler) {
  const HttpResponse response = handler.handle(
      request_of("POST", "/api/v1/events", R"({"event_type":"user.creatde","data":{}})"));
  return response.status == 422 && response.body.find("user.created") != std::string::npos;
}

bool add_and_remove_type(Handler& handler) {
  const HttpResponse added =
      handler.handle(request_of("POST", kTypes, R"({"event_type":"order.paid"})"));
  const HttpResponse removed = handler.handle(request_of("DELETE", kTypes + "/order.paid"));
  return added.status == 201 && removed.status == 204;
}

}  // namespace

TEST_CASE("types are listed, guessed, added and removed by many callers at once") {
  ApiFixture api;
  constexpr int kRounds = 150;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (const Step& step : std::vector<Step>{list_types, list_types, list_types, publish_misspelt,
                                            publish_misspelt, add_and_remove_type}) {
    threads.emplace_back([&api, &wrong, step] {
      for (int i = 0; i < kRounds; ++i) {
        if (!step(*api.handler)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace webhookd
