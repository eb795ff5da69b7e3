#include "api/api_fixture.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <stdexcept>

#include "api/jwt.h"
#include "api/message_syntax.h"
#include "shared/encoding.h"
#include "store/sqlite/sqlite_store.h"

namespace webhookd {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "webhookd-api-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Reply::header(std::string_view name) const {
  for (const auto& [known, value] : response.headers) {
    if (known == name) return value;
  }
  return "";
}

std::vector<std::string> Reply::fault_types() const {
  std::vector<std::string> types;
  for (const Json& fault : json.at("detail")) types.push_back(fault.at("type"));
  return types;
}

ApiFixture::ApiFixture(ApiOptions options) {
  options.token_key = folder / "token.key";
  std::ofstream(options.token_key) << hex_encode(kOwnSecret) << '\n';
  std::filesystem::permissions(options.token_key, std::filesystem::perms::owner_read);
  SqliteOptions store_options;
  store_options.state_dir = folder / "state";
  store_options.default_schedule = {std::chrono::seconds{5}};
  store_options.readers = 2;
  store = open_sqlite_store(store_options, random, clock.now());
  handler = std::make_unique<Handler>(options, *store, dispatcher, clock, random);
}

Reply ApiFixture::send(std::string_view method, const std::string& target, const std::string& body,
                       const Caller& caller, const Headers& headers) {
  // No assertion: some tests send from several threads, which Catch2 cannot count.
  const auto parsed = parse_target(target).value();
  HttpRequest request;
  request.method = method;
  request.path = parsed.path;
  request.query = parsed.query;
  request.headers = headers;
  request.body = body;
  request.peer = caller.peer;
  request.remote = caller.peer ? "unix" : "127.0.0.1";
  request.request_id = "req-1";
  if (caller.authorization) request.headers.emplace_back("authorization", *caller.authorization);
  if (!request.header("content-type")) {
    request.headers.emplace_back("content-type", "application/json");
  }
  Reply reply;
  reply.response = handler->handle(request);
  reply.status = reply.response.status;
  reply.json = Json::parse(reply.response.body, nullptr, false);
  if (reply.json.is_discarded()) reply.json = nullptr;
  return reply;
}

Reply ApiFixture::send(std::string_view method, const std::string& target,
                       const std::string& body) {
  return send(method, target, body, root());
}

Caller ApiFixture::bearer(Json claims) const {
  if (!claims.contains("iss")) claims["iss"] = "webhookd";
  if (!claims.contains("sub")) claims["sub"] = "alice";
  if (!claims.contains("exp")) claims["exp"] = unix_seconds(clock.now()) + 3600;
  return {std::nullopt, "Bearer " + sign_hs256(kOwnSecret, "webhookd", claims.dump())};
}

std::string ApiFixture::create(const Json& body) {
  const Reply reply = send("POST", kWebhooks, body.dump());
  INFO(reply.response.body);
  REQUIRE(reply.status == 201);
  return reply.json.at("id");
}

std::string ApiFixture::create() { return create(webhook_body()); }

Json webhook_body() {
  return {{"url", "https://example.com/hook"}, {"events", Json::array({"user.created"})}};
}

Caller root() { return {PeerCredentials{0, 0, 1, {}}, std::nullopt}; }
Caller anonymous() { return {}; }

}  // namespace webhookd
