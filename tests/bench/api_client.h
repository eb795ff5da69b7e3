#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "bench/socket.h"
#include "shared/model_json.h"

namespace webhookd::bench {

// The daemon's API, one blocking request at a time on one keep-alive connection.
class ApiClient {
 public:
  // Connects. `token` may be empty on a Unix socket. Throws Failed.
  explicit ApiClient(const Address& address, std::string token = {});

  // The body of a 2xx answer. Throws Failed on another status, on a body that is no JSON, or when
  // nothing comes for 30 seconds.
  Json get(const std::string& path);
  Json post(const std::string& path, const Json& body);
  Json patch(const std::string& path, const Json& body);

 private:
  Json send(std::string_view method, const std::string& path, const Json& body);
  Json exchange(const std::string& request);
  std::string head(std::string_view method, const std::string& path, std::size_t length) const;

  FileDescriptor socket_;
  std::string token_;
};

// A super_admin's, for an hour. `admin` is on the Unix socket.
std::string minted_token(ApiClient& admin);

}  // namespace webhookd::bench
