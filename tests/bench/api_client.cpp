#include "bench/api_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "bench/http_message.h"

namespace webhookd::bench {
namespace {

constexpr long kPatience = 30;  // seconds

}  // namespace

ApiClient::ApiClient(const Address& address, std::string token)
    : socket_(connect_to(address)), token_(std::move(token)) {
  timeval timeout{};
  timeout.tv_sec = kPatience;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

Json ApiClient::get(const std::string& path) { return exchange(head("GET", path, 0)); }

Json ApiClient::post(const std::string& path, const Json& body) { return send("POST", path, body); }

Json ApiClient::patch(const std::string& path, const Json& body) {
  return send("PATCH", path, body);
}

Json ApiClient::send(std::string_view method, const std::string& path, const Json& body) {
  const std::string text = body.dump();
  return exchange(head(method, path, text.size()) + text);
}

std::string ApiClient::head(std::string_view method, const std::string& path,
                            std::size_t length) const {
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n", method, path);
  if (!token_.empty()) out += "Authorization: Bearer " + token_ + "\r\n";
  if (length > 0) {
    out += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", length);
  }
  return out + "\r\n";
}

Json ApiClient::exchange(const std::string& request) {
  for (std::string_view rest = request; !rest.empty();) {
    const ssize_t sent = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0) fail_with_errno("send to the API");
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  std::string bytes;
  std::array<char, 64 * 1024> buffer{};
  std::optional<HttpMessage> answer;
  while (!answer) {
    const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0) fail_with_errno("read from the API");
    if (count == 0) throw Failed("the API closed the connection");
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    answer = first_message(bytes);
  }
  const std::string what = request.substr(0, request.find(" HTTP/"));
  if (status_of(*answer) / 100 != 2) {
    throw Failed(fmt::format("{}: {} {}", what, answer->start_line, answer->body));
  }
  Json body = Json::parse(answer->body, nullptr, false);
  if (body.is_discarded()) throw Failed(what + ": the answer is no JSON");
  return body;
}

std::string minted_token(ApiClient& admin) {
  const Json answer =
      admin.post("/api/v1/admin/tokens", {{"role", "super_admin"}, {"ttl_seconds", 3600}});
  return answer.at("token").get<std::string>();
}

}  // namespace webhookd::bench
