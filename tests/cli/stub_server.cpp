#include "cli/stub_server.h"

#include <sys/socket.h>

namespace webhookd::tests {
namespace {

constexpr const char* kBase = "/api/v1/admin/webhooks/";

void reply(httplib::Response& response, int status, const Json& body) {
  response.status = status;
  response.set_content(body.dump(), "application/json");
}

void not_found(httplib::Response& response, const char* what) {
  reply(response, 404, {{"detail", what}});
}

std::size_t number(const httplib::Request& request, const char* name, std::size_t otherwise) {
  return request.has_param(name) ? std::stoul(request.get_param_value(name)) : otherwise;
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

Seen seen_of(const httplib::Request& request) {
  Seen seen{request.method, request.path, {}, {}, request.body};
  for (const auto& [name, value] : request.params) seen.query[name] = value;
  for (const auto& [name, value] : request.headers) seen.headers[lower_case(name)] = value;
  return seen;
}

}  // namespace

StubServer::StubServer(Shape shape, const std::optional<std::filesystem::path>& socket)
    : shape_(shape) {
  server_.set_tcp_nodelay(true);
  server_.set_keep_alive_timeout(1);
  add_routes();
  add_delivery_routes();
  add_fallback();
  if (socket) {
    server_.set_address_family(AF_UNIX);
    server_.bind_to_port(socket->c_str(), 80);
  } else {
    port_ = server_.bind_to_any_port("127.0.0.1");
  }
  thread_ = std::thread([this] { server_.listen_after_bind(); });
  // stop() does nothing before.
  while (!server_.is_running()) std::this_thread::yield();
}

StubServer::~StubServer() {
  server_.stop();
  thread_.join();
}

std::string StubServer::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

void StubServer::add_webhook(Json webhook) {
  const std::lock_guard lock(mutex_);
  webhooks_.push_back(std::move(webhook));
}

void StubServer::add_delivery(const std::string& webhook_id, Json delivery) {
  const std::lock_guard lock(mutex_);
  deliveries_[webhook_id].push_back(std::move(delivery));
}

void StubServer::answer(const std::string& method_and_path, Canned canned) {
  answer_in_turn(method_and_path, {std::move(canned)});
}

void StubServer::answer_in_turn(const std::string& method_and_path, std::vector<Canned> canned) {
  const std::lock_guard lock(mutex_);
  canned_[method_and_path] = std::move(canned);
}

std::vector<Seen> StubServer::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

std::vector<std::string> StubServer::foreign() const {
  const std::lock_guard lock(mutex_);
  return foreign_;
}

Json StubServer::webhook(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const Json& webhook : webhooks_) {
    if (webhook["id"] == id) return webhook;
  }
  return nullptr;
}

Json* StubServer::find(const std::string& id) {
  for (Json& webhook : webhooks_) {
    if (webhook["id"] == id) return &webhook;
  }
  return nullptr;
}

httplib::Server::Handler StubServer::recorded(Handler handler) {
  return [this, handler](const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(seen_of(request));
    const auto found = canned_.find(request.method + " " + request.path);
    if (found == canned_.end()) return handler(request, response);
    std::vector<Canned>& answers = found->second;
    const Canned canned = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    response.status = canned.status;
    for (const auto& [name, value] : canned.headers) response.set_header(name, value);
    response.set_content(canned.body, "application/json");
  };
}

void StubServer::list(const httplib::Request& request, httplib::Response& response,
                      const std::vector<Json>& items) const {
  const std::size_t page = number(request, "page", 1);
  const std::size_t per_page = number(request, "per_page", 20);
  Json shown = Json::array();
  for (std::size_t i = (page - 1) * per_page; i < items.size() && i < page * per_page; ++i) {
    shown.push_back(items[i]);
  }
  switch (shape_) {
    case Shape::page:
      reply(response, 200,
            {{"items", shown},
             {"total", items.size()},
             {"page", page},
             {"per_page", per_page},
             {"pages", (items.size() + per_page - 1) / per_page}});
      return;
    case Shape::bare_array:
      reply(response, 200, shown);
      return;
    case Shape::data:
      reply(response, 200, {{"data", shown}, {"total", items.size()}});
      return;
  }
}

void StubServer::add_routes() {
  const std::string base = kBase;
  const std::string one = base + "([^/]+)";
  server_.Get(base, recorded([this](const auto& request, auto& response) {
                list(request, response, webhooks_);
              }));
  server_.Post(base, recorded([this](const auto& request, auto& response) {
                 Json webhook = Json::parse(request.body);
                 webhook["id"] = "wh-" + std::to_string(webhooks_.size() + 1);
                 webhooks_.push_back(webhook);
                 webhook["secret"] = "whsec_c3R1Yg==";
                 reply(response, 201, webhook);
               }));
  server_.Get(base + "events", recorded([](const auto&, auto& response) {
                reply(response, 200, {"user.created", "user.deleted"});
              }));
  server_.Get(one, recorded([this](const auto& request, auto& response) {
                const Json* webhook = find(request.matches[1]);
                if (webhook == nullptr) return not_found(response, "Webhook not found");
                reply(response, 200, *webhook);
              }));
  server_.Patch(one, recorded([this](const auto& request, auto& response) {
                  Json* webhook = find(request.matches[1]);
                  if (webhook == nullptr) return not_found(response, "Webhook not found");
                  webhook->update(Json::parse(request.body));
                  reply(response, 200, *webhook);
                }));
  server_.Delete(one, recorded([this](const auto& request, auto& response) {
                   const Json* webhook = find(request.matches[1]);
                   if (webhook == nullptr) return not_found(response, "Webhook not found");
                   webhooks_.erase(webhooks_.begin() + (webhook - webhooks_.data()));
                   response.status = 204;
                 }));
  server_.Post(one + "/rotate-secret", recorded([](const auto&, auto& response) {
                 reply(response, 200, {{"secret", "whsec_bmV3"}});
               }));
  server_.Get(one + "/stats", recorded([](const auto&, auto& response) {
                reply(response, 200, {{"total", 12}, {"succeeded", 9}, {"failed", 3}});
              }));
  server_.Post(one + "/test", recorded([](const auto&, auto& response) {
                 reply(response, 200, {{"success", true}, {"status_code", 204}});
               }));
}

void StubServer::add_delivery_routes() {
  const std::string deliveries = std::string(kBase) + "([^/]+)/deliveries";
  const auto find_delivery = [this](const httplib::Request& request) -> Json* {
    for (Json& delivery : deliveries_[request.matches[1]]) {
      if (delivery["id"].dump() == request.matches[2].str()) return &delivery;
    }
    return nullptr;
  };
  server_.Get(deliveries, recorded([this](const auto& request, auto& response) {
                list(request, response, deliveries_[request.matches[1]]);
              }));
  server_.Get(deliveries + "/(\\d+)",
              recorded([find_delivery](const auto& request, auto& response) {
                const Json* delivery = find_delivery(request);
                if (delivery == nullptr) return not_found(response, "Delivery not found");
                reply(response, 200, *delivery);
              }));
  server_.Post(deliveries + "/(\\d+)/retry",
               recorded([find_delivery](const auto& request, auto& response) {
                 Json* delivery = find_delivery(request);
                 if (delivery == nullptr) return not_found(response, "Delivery not found");
                 (*delivery)["status"] = "pending";
                 reply(response, 200, *delivery);
               }));
}

void StubServer::add_fallback() {
  const auto foreign = recorded([this](const auto& request, auto& response) {
    foreign_.push_back(request.method + " " + request.path);
    not_found(response, "Not Found");
  });
  server_.Get(".*", foreign);
  server_.Post(".*", foreign);
  server_.Patch(".*", foreign);
  server_.Delete(".*", foreign);
}

}  // namespace webhookd::tests
