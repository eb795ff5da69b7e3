#pragma once

// A server that has the reference's twelve endpoints and nothing else, with few fields in its
// answers: what `webhookctl --server` must get along with.

#include <httplib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace webhookd::tests {

using Json = nlohmann::ordered_json;

struct Seen {
  std::string method;
  std::string path;
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct Canned {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

enum class Shape { page, bare_array, data };  // of its lists

class StubServer {
 public:
  explicit StubServer(Shape shape = Shape::page,
                      const std::optional<std::filesystem::path>& socket = std::nullopt);
  ~StubServer();

  std::string url() const;
  void add_webhook(Json webhook);
  // Newest first, as they are listed.
  void add_delivery(const std::string& webhook_id, Json delivery);
  // Answers "GET /path" so from now on, whatever else it would say.
  void answer(const std::string& method_and_path, Canned canned);

  // The same with one answer after the other, of which the last stays.
  void answer_in_turn(const std::string& method_and_path, std::vector<Canned> canned);

  std::vector<Seen> seen() const;
  // Requests to anything but the twelve endpoints, as "GET /path".
  std::vector<std::string> foreign() const;
  Json webhook(const std::string& id) const;

 private:
  void add_routes();
  void add_delivery_routes();
  void add_fallback();
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;
  // With the lock held, the request noted, and a canned answer in place of the handler's.
  httplib::Server::Handler recorded(Handler handler);
  void list(const httplib::Request& request, httplib::Response& response,
            const std::vector<Json>& items) const;
  Json* find(const std::string& id);

  Shape shape_;
  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;

  mutable std::mutex mutex_;
  std::vector<Json> webhooks_;
  std::map<std::string, std::vector<Json>> deliveries_;
  std::map<std::string, std::vector<Canned>> canned_;  // never empty
  std::vector<Seen> seen_;
  std::vector<std::string> foreign_;
};

}  // namespace webhookd::tests
