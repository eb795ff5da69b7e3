#include "config_judge.h"

#include <fmt/format.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>

#include "delivery/dispatcher.h"
#include "shared/paths.h"
#include "shared/time.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxRetries = 20;

std::chrono::milliseconds duration_of(const std::string& flag, const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration) {
    throw ConfigError(fmt::format("{}: '{}' is no duration; write 30s, 5m or 24h", flag, text));
  }
  return *duration;
}

// The parts of "a,b" and "c". An empty part is a mistake, not to be passed over.
std::vector<std::string> split_lists(const std::string& flag,
                                     const std::vector<std::string>& texts) {
  std::vector<std::string> parts;
  for (const std::string& text : texts) {
    std::size_t start = 0;
    while (true) {
      const std::size_t comma = text.find(',', start);
      parts.push_back(text.substr(start, comma - start));
      if (parts.back().empty()) {
        throw ConfigError(fmt::format("{}: '{}' has an empty element", flag, text));
      }
      if (comma == std::string::npos) break;
      start = comma + 1;
    }
  }
  return parts;
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
  // With "webhook" two headers would be called webhook-signature, with "Content" two Content-Type.
  for (const char* taken : {"webhook", "content", "user"}) {
    if (::strcasecmp(prefix.c_str(), taken) == 0) {
      throw ConfigError(fmt::format("--header-prefix: {} is taken; use one of your own", prefix));
    }
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

log::Level level_of(const RawSettings& raw) {
  if (const auto level = log::parse_level(raw.log_level)) return *level;
  throw ConfigError(
      fmt::format("--log-level: '{}' is none; use debug, info, warn or error", raw.log_level));
}

void judge_places(const RawSettings& raw, Config& config) {
  config.state_dir = !raw.state_dir.empty() ? std::filesystem::path(raw.state_dir)
                     : raw.dev              ? user_state_dir()
                                            : std::filesystem::path(kSystemStateDir);
  config.socket = !raw.socket.empty() ? std::filesystem::path(raw.socket)
                  : raw.dev           ? user_socket()
                                      : std::filesystem::path(kSystemSocket);
  if (raw.listen != "none") config.listen = raw.listen;
  config.allow_plaintext = raw.allow_plaintext;
  config.admin_group = raw.admin_group;
}

void judge_tokens(const RawSettings& raw, Config& config) {
  if (raw.jwks.starts_with("http://") || raw.jwks.starts_with("https://")) {
    throw ConfigError("--jwks: this version reads key sets from files only; give a path");
  }
  if (!raw.jwks.empty()) config.jwks = raw.jwks;
  config.issuer = unless_empty(raw.issuer);
  config.audience = unless_empty(raw.audience);
}

void judge_delivery(const RawSettings& raw, Config& config) {
  config.retry_schedule = schedule_of(split_lists("--retry-schedule", raw.retry_schedule));
  config.allow_networks = split_lists("--allow-networks", raw.allow_networks);
  if (raw.dev) {
    config.allow_networks.insert(config.allow_networks.end(), {"127.0.0.0/8", "::1/128"});
  }
  config.drain_timeout = duration_of("--drain-timeout", raw.drain_timeout);
  check_user_agent(raw.user_agent);
  config.user_agent = raw.user_agent;
  check_header_prefix(raw.header_prefix);
  config.header_prefix = raw.header_prefix;
  config.ca_file = raw.ca_file;
  if (!raw.ca_file.empty() && ::access(raw.ca_file.c_str(), R_OK) != 0) {
    throw ConfigError(fmt::format("--ca-file: cannot read {}", raw.ca_file));
  }
}

// "256MiB", "1G", "1048576": units are powers of 1024.
std::int64_t size_of(const std::string& flag, const std::string& text) {
  static const std::map<std::string, int, std::less<>> shifts{
      {"", 0}, {"k", 10}, {"m", 20}, {"g", 30}, {"t", 40}};
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string unit;
  for (const char c : text.substr(end)) {
    unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (unit.ends_with("ib")) {
    unit.resize(unit.size() - 2);
  } else if (unit.ends_with("b")) {
    unit.pop_back();
  }
  const auto shift = shifts.find(unit);
  // 6 digits: no overflow with the largest unit; 18: none without one.
  if (end == 0 || shift == shifts.end() || end > (shift->second == 0 ? 18U : 6U)) {
    throw ConfigError(fmt::format("{}: '{}' is no size; write 256MiB, 1GiB or 0", flag, text));
  }
  return std::int64_t{std::stoll(text.substr(0, end))} << shift->second;
}

std::chrono::milliseconds retention_of(const std::string& flag, const std::string& text) {
  const auto period = duration_of(flag, text);
  if (period < std::chrono::seconds{1}) throw ConfigError(flag + ": use 1s or more");
  return period;
}

void judge_retention(const RawSettings& raw, Config& config) {
  Retention& kept = config.retention;
  kept.succeeded = retention_of("--retention-succeeded", raw.retention_succeeded);
  kept.failed = retention_of("--retention-failed", raw.retention_failed);
  kept.events = retention_of("--retention-events", raw.retention_events);
  kept.paused = retention_of("--retention-paused", raw.retention_paused);
  kept.audit = retention_of("--retention-audit", raw.retention_audit);
}

void judge_sizes(const RawSettings& raw, Config& config) {
  if (raw.max_event_bytes < 1024 || raw.max_event_bytes > std::size_t{64} * 1024 * 1024) {
    throw ConfigError("--max-event-bytes: use 1024 (1 KiB) to 67108864 (64 MiB)");
  }
  config.max_event_bytes = raw.max_event_bytes;
  if (!raw.min_free_space.empty()) {
    config.min_free_space = size_of("--min-free-space", raw.min_free_space);
  }
  if (raw.loops < 0 || raw.loops > 64) throw ConfigError("--loops: use 0 to 64");
  config.loops = raw.loops;
}

}  // namespace

Config judge(const RawSettings& raw) {
  Config config;
  config.dev = raw.dev;
  judge_places(raw, config);
  judge_tokens(raw, config);
  judge_delivery(raw, config);
  judge_sizes(raw, config);
  judge_retention(raw, config);
  config.log_level = level_of(raw);
  config.log_style = style_of(raw);
  return config;
}

}  // namespace webhookd
