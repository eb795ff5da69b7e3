#include "config.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>

#include "config_file.h"
#include "config_judge.h"
#include "config_settings.h"
#include "shared/event_pattern.h"
#include "shared/paths.h"
#include "shared/version.h"

namespace webhookd {
namespace {

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
      ->type_name("DELAY,...");
  setting("allow_networks", raw.allow_networks,
          "Networks that the address guard lets through although they are not public")
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
  setting("min_free_space", raw.min_free_space,
          "Publishing is refused while less is free (default: a twentieth of the file system, "
          "256MiB at most)")
      ->type_name("SIZE");
  setting("retention_succeeded", raw.retention_succeeded,
          "How long succeeded and cancelled deliveries are kept")
      ->type_name("DURATION");
  setting("retention_failed", raw.retention_failed, "How long failed deliveries are kept")
      ->type_name("DURATION");
  setting("retention_events", raw.retention_events,
          "How long events are kept when no delivery needs them")
      ->type_name("DURATION");
  setting("retention_paused", raw.retention_paused,
          "How long deliveries wait for a paused webhook before they are cancelled")
      ->type_name("DURATION");
  setting("retention_audit", raw.retention_audit, "How long the audit log goes back")
      ->type_name("DURATION");
  setting("loops", raw.loops, "Delivery loops (0: one per core)")->type_name("N");
  return keys;
}

// An empty value is a shell variable that was not set, mostly: what was meant cannot be known. One
// in the environment counts as not given.
void refuse_empty(const CLI::Option& option) {
  for (const std::string& value : option.results()) {
    if (!value.empty()) continue;
    throw ConfigError(
        fmt::format("{}: must not be empty; leave it out for the default", option.get_name()));
  }
}

// The system's file is read when there is one, unless this is a user's own daemon.
std::string config_file_of(const RawSettings& raw) {
  if (!raw.config_file.empty() || raw.dev) return raw.config_file;
  const std::filesystem::path system_file(kSystemConfig);
  return std::filesystem::exists(system_file) ? system_file.string() : "";
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
  refuse_empty(*file);
  for (const auto& [key, option] : keys) refuse_empty(*option);
  const std::string path = config_file_of(raw);
  if (!path.empty()) apply_file(path, keys);
  line.config = judge(raw);
  if (raw.check_config) line.action = CommandLine::Action::check_config;
  return line;
}

}  // namespace webhookd
