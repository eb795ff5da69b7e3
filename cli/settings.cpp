#include "cli/settings.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "cli/profile.h"
#include "shared/paths.h"
#include "shared/time.h"
#include "shared/url.h"

namespace webhookd {
namespace {

using Text = std::optional<std::string>;

// What one source says about where to connect.
struct Place {
  Text server;
  Text socket;
  bool empty() const { return !server && !socket; }
};

void refuse_both(const Place& place, std::string_view server, std::string_view socket) {
  if (!place.server || !place.socket) return;
  throw usage_error(fmt::format("{} and {} contradict each other", server, socket),
                    "name the one door to use");
}

std::string server_url(const std::string& text, std::string_view where) {
  const auto parsed = parse_url(text);
  if (const auto* fault = std::get_if<UrlFault>(&parsed)) {
    throw usage_error(fmt::format("{}: no server address: {}", where, fault->reason),
                      "it looks like http://127.0.0.1:8420 or https://hooks.example.com");
  }
  if (text.find('?') != std::string::npos) {
    throw usage_error(fmt::format("{}: a server address has no query", where),
                      "leave out the ? and what follows it");
  }
  std::string url = text;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::filesystem::path default_socket(const Surroundings& surroundings) {
  std::error_code ignored;
  if (std::filesystem::exists(surroundings.system_socket, ignored)) {
    return surroundings.system_socket;
  }
  return surroundings.user_socket.empty() ? surroundings.system_socket : surroundings.user_socket;
}

Token token_from(std::string text, std::string_view where) {
  constexpr const char* kHint = "a token is one line, as `webhookctl token create` prints it";
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  for (const char c : text) {
    if (c <= ' ' || c > '~') {
      throw usage_error(fmt::format("{} holds no token: it must be one line of text", where),
                        kHint);
    }
  }
  if (text.empty()) throw usage_error(fmt::format("{} holds no token: it is empty", where), kHint);
  return {std::move(text)};
}

// Warns when the mode of a file gives any of `refused`; a pipe has its own rules.
void check_mode(const std::string& path, mode_t refused, const char* what,
                std::vector<Warning>& warnings) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return;
  if ((found.st_mode & refused) == 0) return;
  warnings.push_back({fmt::format("{} can be {} by others", path, what), "chmod 600 " + path});
}

constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

// A group may share a token on purpose.
Token token_file(const std::string& path, std::vector<Warning>& warnings) {
  Token token = token_from(read_source(path), path == "-" ? "stdin" : path);
  if (path != "-") check_mode(path, S_IROTH, "read", warnings);
  return token;
}

std::optional<Token> find_token(const GlobalFlags& flags, const Surroundings& surroundings,
                                const Profile& profile, bool profile_place,
                                std::vector<Warning>& warnings) {
  if (flags.token_file) return token_file(*flags.token_file, warnings);
  if (const Text token = surroundings.variable("WEBHOOKCTL_TOKEN")) {
    return token_from(*token, "WEBHOOKCTL_TOKEN");
  }
  if (const Text path = surroundings.variable("WEBHOOKCTL_TOKEN_FILE")) {
    return token_file(*path, warnings);
  }
  if (profile.token_file && profile_place) return token_file(*profile.token_file, warnings);
  return std::nullopt;
}

struct Chosen {
  std::variant<SocketTarget, ServerTarget> target;
  bool by_profile = false;
};

std::variant<SocketTarget, ServerTarget> target_at(const Place& place, std::string_view where) {
  if (place.socket) return SocketTarget{*place.socket};
  return ServerTarget{server_url(*place.server, where), std::nullopt};
}

Chosen choose_target(const GlobalFlags& flags, const Surroundings& surroundings,
                     const Profile& profile) {
  const Place by_flag{flags.server, flags.socket};
  refuse_both(by_flag, "--server", "--socket");
  const Place by_variable{surroundings.variable("WEBHOOKCTL_SERVER"),
                          surroundings.variable("WEBHOOKCTL_SOCKET")};
  const Place by_profile{profile.server, profile.socket};
  if (!by_flag.empty()) {
    return {target_at(by_flag, "--server"),
            by_flag.server == by_profile.server && by_flag.socket == by_profile.socket};
  }
  refuse_both(by_variable, "WEBHOOKCTL_SERVER", "WEBHOOKCTL_SOCKET");
  if (!by_variable.empty()) {
    return {target_at(by_variable, "WEBHOOKCTL_SERVER"),
            by_variable.server == by_profile.server && by_variable.socket == by_profile.socket};
  }
  refuse_both(by_profile, "the profile's server", "its socket");
  if (!by_profile.empty()) return {target_at(by_profile, "the profile's server"), true};
  return {SocketTarget{default_socket(surroundings)}, true};
}

ColorChoice parse_color(std::string_view text) {
  if (text == "auto") return ColorChoice::automatic;
  if (text == "always") return ColorChoice::always;
  if (text == "never") return ColorChoice::never;
  throw usage_error("--color takes auto, always or never", "auto colours on a terminal only");
}

bool names_a_server(const GlobalFlags& flags, const Surroundings& surroundings) {
  return flags.server || flags.socket || surroundings.variable("WEBHOOKCTL_SERVER") ||
         surroundings.variable("WEBHOOKCTL_SOCKET");
}

Profile find_profile(const GlobalFlags& flags, const Surroundings& surroundings,
                     std::vector<Warning>& warnings) {
  const std::filesystem::path& file = surroundings.config_file;
  check_mode(file.string(), kOthersWrite, "changed", warnings);
  if (flags.profile) return load_profile(file, *flags.profile);
  if (const Text name = surroundings.variable("WEBHOOKCTL_PROFILE")) {
    return load_profile(file, *name);
  }
  try {
    return load_default_profile(file);
  } catch (const CliError& error) {
    if (!names_a_server(flags, surroundings)) throw;
    warnings.push_back({error.message, error.hint});
    return {};
  }
}

// The rest of the settings: how long to wait and how to show what comes.
void choose_manner(const GlobalFlags& flags, const Surroundings& surroundings,
                   const Profile& profile, Settings& settings) {
  if (flags.timeout) {
    settings.connection.timeout = parse_duration_of(*flags.timeout, "--timeout");
  } else if (profile.timeout) {
    settings.connection.timeout = parse_duration_of(*profile.timeout, "the profile's timeout");
  }
  if (settings.connection.timeout.count() <= 0) {
    throw usage_error("--timeout must be longer than nothing", "write 500ms, 30s or 5m");
  }
  if (flags.output) {
    settings.format = parse_format(*flags.output, "--output");
  } else if (const Text output = surroundings.variable("WEBHOOKCTL_OUTPUT")) {
    settings.format = parse_format(*output, "WEBHOOKCTL_OUTPUT");
  } else if (profile.output) {
    settings.format = parse_format(*profile.output, "the profile's output");
  }
  if (flags.color) settings.color = parse_color(*flags.color);
}

}  // namespace

Surroundings process_surroundings() {
  const auto or_none = [](std::filesystem::path (*path)()) {
    try {
      return path();
    } catch (const std::runtime_error&) {
      return std::filesystem::path();
    }
  };
  return {[](std::string_view name) -> Text {
            const char* value = std::getenv(std::string(name).c_str());
            if (value == nullptr || *value == '\0') return std::nullopt;
            return std::string(value);
          },
          kSystemSocket, or_none(user_socket), or_none(user_cli_config)};
}

Settings resolve_settings(const GlobalFlags& flags, const Surroundings& surroundings) {
  Settings settings;
  const Profile profile = find_profile(flags, surroundings, settings.warnings);
  const Chosen chosen = choose_target(flags, surroundings, profile);
  settings.connection.target = chosen.target;
  settings.connection.token =
      find_token(flags, surroundings, profile, chosen.by_profile, settings.warnings);
  if (auto* server = std::get_if<ServerTarget>(&settings.connection.target)) {
    if (flags.cacert) {
      server->ca_file = *flags.cacert;
    } else if (profile.cacert) {
      server->ca_file = *profile.cacert;
    }
  }
  choose_manner(flags, surroundings, profile, settings);
  return settings;
}

Format parse_format(std::string_view text, std::string_view where) {
  if (text == "table") return Format::table;
  if (text == "wide") return Format::wide;
  if (text == "json") return Format::json;
  if (text == "jsonl") return Format::jsonl;
  if (text == "tsv") return Format::tsv;
  throw usage_error(fmt::format("{}: no such format: {}", where, text),
                    "use table, wide, json, jsonl or tsv");
}

std::chrono::milliseconds parse_duration_of(std::string_view text, std::string_view where) {
  const auto duration = parse_duration(text);
  if (!duration) {
    throw usage_error(fmt::format("{}: no duration: {}", where, text),
                      "write 500ms, 30s, 5m, 24h or 7d");
  }
  return *duration;
}

std::int64_t parse_seconds_of(std::string_view text, std::string_view where) {
  const auto duration = parse_duration_of(text, where);
  if (duration % std::chrono::seconds(1) != std::chrono::milliseconds(0)) {
    throw usage_error(fmt::format("{} takes whole seconds", where), "write 30s, 5m, 24h or 7d");
  }
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

std::string read_source(std::string_view path) {
  constexpr const char* kFileHint = "name a file that you may read";
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  const std::string name(path);
  std::error_code ignored;
  if (std::filesystem::is_directory(name, ignored)) {
    throw usage_error(fmt::format("{} is a directory", name), kFileHint);
  }
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    throw usage_error(fmt::format("{} cannot be read: {}", name, strerror(errno)), kFileHint);
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string read_secret(std::string_view path, std::string_view what) {
  std::string text = read_source(path);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) {
    throw usage_error(
        fmt::format("{} holds no {}: it is empty", path == "-" ? "stdin" : path, what),
        "write it into the file, alone");
  }
  return text;
}

}  // namespace webhookd
