#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace webhookd::bench {

// One HTTP/1.1 request or answer inside a buffer that must outlive it.
struct HttpMessage {
  std::string_view start_line;
  std::string_view headers;  // lines, each with its CRLF
  std::string_view body;
  std::size_t size = 0;  // bytes of the whole message

  // The value of the first header of that name, in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

inline constexpr std::size_t kMostHeaderBytes = 64 * 1024;
inline constexpr std::size_t kMostBodyBytes = 16 * 1024 * 1024;

// The message that `bytes` begin with; absent while it is not all there. Throws Failed for what
// is longer than the bounds above, and for a Transfer-Encoding: our parties all send lengths.
std::optional<HttpMessage> first_message(std::string_view bytes);

// Of an answer's start line. Throws Failed.
int status_of(const HttpMessage& answer);

}  // namespace webhookd::bench
