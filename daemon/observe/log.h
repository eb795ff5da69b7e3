#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

namespace webhookd::log {

enum class Level { debug, info, warn, error };
enum class Style { logfmt, person };

std::optional<Level> parse_level(std::string_view text);

// Call once, before threads start. Writes to stderr.
void start(Level level, Style style);

// Thread-safe. The text is one line; control characters in it are escaped. Callers never pass
// secrets, tokens or header values.
void write(Level level, std::string_view text);

bool enabled(Level level);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace webhookd::log
