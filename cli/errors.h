#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace webhookd {

// What the program's exit status tells a script.
enum class Exit {
  done = 0,
  internal = 1,  // the server or this program failed
  usage = 2,
  not_found = 3,
  denied = 4,
  unreachable = 5,
  rejected = 6,
  delivery_failed = 7,
  timed_out = 8,
  partly = 9,
  interrupted = 130
};

// The word that stands for an exit class in a JSON error: "not_found".
std::string_view code_of(Exit exit);

// Why a command ends without having done its work. Holds no secret.
class CliError : public std::exception {
 public:
  CliError(Exit exit, std::string message, std::string hint = "");

  const char* what() const noexcept override { return message.c_str(); }

  Exit exit;
  std::string message;  // a sentence without a full stop
  std::string hint;     // what to do next; may be empty
  std::string request_id;
  std::vector<std::string> details;  // "body.url: Field required", one per fault
  int http_status = 0;               // 0: not from an answer
  std::string path;                  // of the request that was answered so
};

CliError usage_error(std::string message, std::string hint = "");

// What an answer with status >= 300 to a request for `path` means. Of a long answer the beginning.
CliError api_failure(int status, std::string_view body, std::string request_id,
                     std::string_view path = "");

// The hint for an answer that a webhookd would not give.
inline constexpr const char* kIsItWebhookd = "is --server the address of a webhookd?";

}  // namespace webhookd
