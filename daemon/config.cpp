#include "config.h"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <cstdio>
#include <map>

#include "delivery/dispatcher.h"
#include "shared/event_pattern.h"
#include "shared/paths.h"
#include "shared/time.h"
#include "shared/version.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxRetries = 20;

// Every setting as text, before it is judged: one form for flag, environment and file.
struct RawSettings {
  std::string config_file;
  bool dev = false;
  std::string state_dir;
  std::string socket;
  std::string listen{kDefaultListen};
  bool allow_plaintext = false;
  std::string admin_group;
  std::string jwks;
  std::string issuer;
  std::string audience;
  std::vector<std::string> retry_schedule;
  std::vector<std::string> allow_networks;
  std::string drain_timeout = "20s";
  std::string log_level = "info";
  std::string log_format;
  std::string user_agent = "ScaiKey-Webhook/1.0";
  std::string header_prefix = "X-ScaiKey";
  std::string ca_file;
  std::size_t max_event_bytes = std::size_t{1024} * 1024;
  int loops = 0;
  bool check_config = false;
};

// The options that the file may set, by their key there.
using Keys = std::map<std::string, CLI::Option*>;

std::string environment_name(std::string_view key) {
  std::string name = "WEBHOOKD_";
  for (const char c : key) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

Keys add_options(CLI::App& app, RawSettings& raw) {
  Keys keys;
  const auto setting = [&](const std::string& key, auto& value, const std::string& text) {
    std::string flag = "--" + key;
    for (char& c : flag) c = c == '_' ? '-' : c;
    CLI::Option* option = nullptr;
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, bool>) {
      option = app.add_flag(flag, value, text);
    } else {
      option = app.add_option(flag, value, text);
    }
    option->envname(environment_name(key));
    keys[key] = option;
    return option;
  };
  setting("dev", raw.dev,
          "A user's own daemon: state under the user's directories, loopback receivers allowed, "
          "log for a person");
  setting("state_dir", raw.state_dir, "Where everything is kept")->type_name("DIR");
  setting("socket", raw.socket, "The Unix socket")->type_name("PATH");
  setting("listen", raw.listen, "The TCP address, or none; port 0: any free one")
      ->type_name("ADDR:PORT|none");
  setting("allow_plaintext", raw.allow_plaintext,
          "Allow a TCP address off loopback without TLS (behind a proxy)");
  setting("admin_group", raw.admin_group, "Members of this group may use the socket")
      ->type_name("GROUP");
  setting("jwks", raw.jwks, "Key set that tokens are verified with")->type_name("FILE");
  setting("issuer", raw.issuer, "What a token's iss must be")->type_name("TEXT");
  setting("audience", raw.audience, "What a token's aud must hold")->type_name("TEXT");
  setting("retry_schedule", raw.retry_schedule,
          "Delays before the second, third, ... attempt (1,2,4 or 5s,5m)")
      ->delimiter(',')
      ->type_name("DELAY,...");
  setting("allow_networks", raw.allow_networks,
          "Networks that the address guard lets through although they are not public")
      ->delimiter(',')
      ->type_name("CIDR,...");
  setting("drain_timeout", raw.drain_timeout, "How long SIGTERM waits for attempts under way")
      ->type_name("DURATION");
  setting("log_level", raw.log_level, "debug, info, warn or error")->type_name("LEVEL");
  setting("log_format", raw.log_format, "logfmt or person")->type_name("FORMAT");
  setting("user_agent", raw.user_agent, "User-Agent of every delivery")->type_name("TEXT");
  setting("header_prefix", raw.header_prefix, "Prefix of our headers on every delivery")
      ->type_name("PREFIX");
  setting("ca_file", raw.ca_file, "CA certificates for https receivers (default: the system's)")
      ->type_name("FILE");
  setting("max_event_bytes", raw.max_event_bytes, "Largest event that may be published")
      ->type_name("BYTES");
  setting("loops", raw.loops, "Delivery loops (0: one per core)")->type_name("N");
  return keys;
}

std::string nearest_key(const Keys& keys, const std::string& word) {
  std::vector<std::string> names;
  for (const auto& [name, option] : keys) names.push_back(name);
  const auto guess = nearest(word, names);
  return guess ? fmt::format("; did you mean {}?", *guess) : "; see webhookd.conf(5)";
}

std::vector<std::string> texts_of(const toml::node& node, const std::string& where) {
  if (const auto* text = node.as_string()) return {text->get()};
  if (const auto* number = node.as_integer()) return {fmt::format("{}", number->get())};
  if (const auto* flag = node.as_boolean()) return {flag->get() ? "true" : "false"};
  if (const auto* list = node.as_array()) {
    std::vector<std::string> texts;
    for (const auto& item : *list) {
      if (item.is_array()) break;
      for (auto& text : texts_of(item, where)) texts.push_back(std::move(text));
    }
    if (texts.size() == list->size()) return texts;
  }
  throw ConfigError(where + ": should be a string, an integer, true, false or a list of those");
}

// Flags and environment came first: a key of the file only fills what they left open.
void apply_file(const std::string& path, const Keys& keys) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& fault) {
    throw ConfigError(fmt::format("{}:{}: {}", path, fault.source().begin.line,
                                  std::string(fault.description())));
  }
  for (const auto& [key, node] : table) {
    const std::string name{key.str()};
    const std::string where = fmt::format("{}:{}: {}", path, node.source().begin.line, name);
    const auto found = keys.find(name);
    if (found == keys.end()) {
      throw ConfigError(fmt::format("{}: unknown key{}", where, nearest_key(keys, name)));
    }
    if (found->second->count() > 0) continue;
    const std::vector<std::string> texts = texts_of(node, where);
    try {
      for (const std::string& text : texts) found->second->add_result(text);
      if (!texts.empty()) found->second->run_callback();
    } catch (const CLI::Error& fault) {
      throw ConfigError(fmt::format("{}: {}", where, fault.what()));
    }
  }
}

std::chrono::milliseconds duration_of(const std::string& flag, const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration) {
    throw ConfigError(fmt::format("{}: '{}' is no duration; write 30s, 5m or 24h", flag, text));
  }
  return *duration;
}

std::vector<std::chrono::seconds> schedule_of(const std::vector<std::string>& texts) {
  if (texts.empty()) return default_retry_schedule();
  if (texts.size() > kMaxRetries) {
    throw ConfigError(
        fmt::format("--retry-schedule: at most {} delays, not {}", kMaxRetries, texts.size()));
  }
  std::vector<std::chrono::seconds> schedule;
  schedule.reserve(texts.size());
  for (const std::string& text : texts) {
    schedule.push_back(
        std::chrono::ceil<std::chrono::seconds>(duration_of("--retry-schedule", text)));
  }
  return schedule;
}

void check_header_prefix(const std::string& prefix) {
  const bool usable = !prefix.empty() && prefix.size() <= 40 &&
                      prefix.find_first_not_of(
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789-") == std::string::npos;
  if (!usable) {
    throw ConfigError(
        "--header-prefix: use letters, digits and '-', at most 40 of them, as in X-ScaiKey");
  }
}

void check_user_agent(const std::string& text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e) throw ConfigError("--user-agent: use printable ASCII only");
  }
  if (text.empty()) throw ConfigError("--user-agent: must not be empty");
}

log::Style style_of(const RawSettings& raw) {
  if (raw.log_format.empty()) return raw.dev ? log::Style::person : log::Style::logfmt;
  if (raw.log_format == "logfmt") return log::Style::logfmt;
  if (raw.log_format == "person") return log::Style::person;
  throw ConfigError(
      fmt::format("--log-format: '{}' is none; use logfmt or person", raw.log_format));
}

std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

Config judge(const RawSettings& raw) {
  Config config;
  config.dev = raw.dev;
  config.state_dir = !raw.state_dir.empty() ? std::filesystem::path(raw.state_dir)
                     : raw.dev              ? user_state_dir()
                                            : std::filesystem::path(kSystemStateDir);
  config.socket = !raw.socket.empty() ? std::filesystem::path(raw.socket)
                  : raw.dev           ? user_socket()
                                      : std::filesystem::path(kSystemSocket);
  if (raw.listen != "none") config.listen = raw.listen;
  config.allow_plaintext = raw.allow_plaintext;
  config.admin_group = raw.admin_group;
  if (raw.jwks.starts_with("http://") || raw.jwks.starts_with("https://")) {
    throw ConfigError("--jwks: this version reads key sets from files only; give a path");
  }
  if (!raw.jwks.empty()) config.jwks = raw.jwks;
  config.issuer = unless_empty(raw.issuer);
  config.audience = unless_empty(raw.audience);
  config.retry_schedule = schedule_of(raw.retry_schedule);
  config.allow_networks = raw.allow_networks;
  if (raw.dev) {
    config.allow_networks.insert(config.allow_networks.end(), {"127.0.0.0/8", "::1/128"});
  }
  config.drain_timeout = duration_of("--drain-timeout", raw.drain_timeout);
  const auto level = log::parse_level(raw.log_level);
  if (!level) {
    throw ConfigError(
        fmt::format("--log-level: '{}' is none; use debug, info, warn or error", raw.log_level));
  }
  config.log_level = *level;
  config.log_style = style_of(raw);
  check_user_agent(raw.user_agent);
  config.user_agent = raw.user_agent;
  check_header_prefix(raw.header_prefix);
  config.header_prefix = raw.header_prefix;
  config.ca_file = raw.ca_file;
  if (!raw.ca_file.empty() && ::access(raw.ca_file.c_str(), R_OK) != 0) {
    throw ConfigError(fmt::format("--ca-file: cannot read {}", raw.ca_file));
  }
  if (raw.max_event_bytes < 1024 || raw.max_event_bytes > std::size_t{64} * 1024 * 1024) {
    throw ConfigError("--max-event-bytes: use 1024 (1 KiB) to 67108864 (64 MiB)");
  }
  config.max_event_bytes = raw.max_event_bytes;
  if (raw.loops < 0 || raw.loops > 64) throw ConfigError("--loops: use 0 to 64");
  config.loops = raw.loops;
  return config;
}

std::string usage_hint(const CLI::App& app, const CLI::ParseError& fault, int argc, char** argv) {
  if (dynamic_cast<const CLI::ExtrasError*>(&fault) == nullptr) return "see webhookd --help";
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) flags.push_back(option->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (!word.starts_with("--") || std::find(flags.begin(), flags.end(), word) != flags.end()) {
      continue;
    }
    if (const auto guess = nearest(word, flags)) return "did you mean " + *guess + "?";
  }
  return "see webhookd --help";
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
  RawSettings raw;
  CLI::App app{
      "webhookd delivers webhooks: it takes events, signs them, sends them to every\n"
      "subscribed URL, retries for days and keeps the history.",
      "webhookd"};
  app.set_version_flag("--version", fmt::format("webhookd {}", kVersion));
  auto* file = app.add_option("--config", raw.config_file, "Configuration file (webhookd.conf(5))");
  file->type_name("FILE")->envname("WEBHOOKD_CONFIG");
  app.add_flag("--check-config", raw.check_config, "Say whether flags and file are right, and end");
  const Keys keys = add_options(app, raw);
  app.footer(
      "Every flag is also a key of the configuration file and a WEBHOOKD_ variable.\n"
      "Example: webhookd --dev");
  CommandLine line;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& fault) {
    line.action = CommandLine::Action::exit;
    if (fault.get_exit_code() == 0) {
      app.exit(fault);
      return line;
    }
    line.exit_code = 2;
    fmt::print(stderr, "error: {}\nhint: {}\n", fault.what(), usage_hint(app, fault, argc, argv));
    return line;
  }
  const bool system_file = raw.config_file.empty() && !raw.dev &&
                           std::filesystem::exists(std::filesystem::path(kSystemConfig));
  if (system_file) raw.config_file = kSystemConfig;
  if (!raw.config_file.empty()) apply_file(raw.config_file, keys);
  line.config = judge(raw);
  if (raw.check_config) line.action = CommandLine::Action::check_config;
  return line;
}

}  // namespace webhookd
