#include "bench/http_message.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "bench/socket.h"

namespace webhookd::bench {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::size_t body_size(const HttpMessage& message) {
  if (!message.header("Transfer-Encoding").empty()) {
    throw Failed("a message with Transfer-Encoding arrived");
  }
  const std::string_view text = message.header("Content-Length");
  if (text.empty()) return 0;
  std::size_t size = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (fault != std::errc{} || end != text.data() + text.size() || size > kMostBodyBytes) {
    throw Failed("unusable Content-Length: " + std::string{text});
  }
  return size;
}

}  // namespace

std::string_view HttpMessage::header(std::string_view name) const {
  std::string_view rest = headers;
  while (!rest.empty()) {
    const std::size_t end = rest.find(kLineEnd);
    const std::string_view line = rest.substr(0, end);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        same_name(line.substr(0, name.size()), name)) {
      return trimmed(line.substr(name.size() + 1));
    }
    rest.remove_prefix(end + kLineEnd.size());
  }
  return {};
}

std::optional<HttpMessage> first_message(std::string_view bytes) {
  const std::size_t head = bytes.substr(0, kMostHeaderBytes).find("\r\n\r\n");
  if (head == std::string_view::npos) {
    if (bytes.size() >= kMostHeaderBytes) throw Failed("endless headers arrived");
    return std::nullopt;
  }
  const std::size_t line = bytes.find(kLineEnd);
  HttpMessage message;
  message.start_line = bytes.substr(0, line);
  message.headers = bytes.substr(line + kLineEnd.size(), head - line);
  const std::size_t begin = head + 2 * kLineEnd.size();
  const std::size_t size = body_size(message);
  if (bytes.size() - begin < size) return std::nullopt;
  message.body = bytes.substr(begin, size);
  message.size = begin + size;
  return message;
}

int status_of(const HttpMessage& answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  int status = 0;
  const std::string_view line = answer.start_line;
  if (line.starts_with(kVersion)) {
    const std::string_view digits = line.substr(kVersion.size(), 3);
    std::from_chars(digits.data(), digits.data() + digits.size(), status);
  }
  if (status < 100) throw Failed("no HTTP/1.1 answer: " + std::string{line});
  return status;
}

}  // namespace webhookd::bench
