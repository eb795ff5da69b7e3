#include "shared/model.h"

#include <algorithm>
#include <array>

namespace webhookd {

bool is_secret_header(std::string_view name) {
  std::string lower{name};
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  // Our own headers hold "key" by the platform's name alone.
  static constexpr std::string_view kOwnPrefix = "x-scaikey-";
  if (lower.starts_with(kOwnPrefix)) lower.erase(0, kOwnPrefix.size());
  static constexpr std::array<std::string_view, 6> kTelling = {
      "authorization", "cookie", "token", "key", "secret", "password"};
  return std::any_of(kTelling.begin(), kTelling.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace webhookd
