#include "cli/profile.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <vector>

#include "cli/errors.h"
#include "cli/settings.h"
#include "shared/event_pattern.h"

namespace webhookd {
namespace {

struct Field {
  const char* name;
  std::optional<std::string> Profile::*member;
};

constexpr Field kFields[] = {
    {"server", &Profile::server},         {"socket", &Profile::socket},
    {"token_file", &Profile::token_file}, {"cacert", &Profile::cacert},
    {"output", &Profile::output},         {"timeout", &Profile::timeout},
};

CliError config_error(const std::filesystem::path& file, std::string_view what,
                      std::string hint = "") {
  if (hint.empty()) hint = "webhookctl(1) shows what the file holds, under FILES";
  return usage_error(fmt::format("{}: {}", file.string(), what), std::move(hint));
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const auto near = nearest(word, known);
  return near ? fmt::format("did you mean {}?", *near) : "";
}

toml::table parse_file(const std::filesystem::path& file) {
  try {
    toml::table config = toml::parse(read_source(file.string()), file.string());
    for (const auto& [key, value] : config) {
      if (key == "default_profile" || key == "profiles") continue;
      throw config_error(file, fmt::format("unknown key {}", key.str()),
                         did_you_mean(key.str(), {"default_profile", "profiles"}));
    }
    return config;
  } catch (const toml::parse_error& error) {
    throw config_error(file,
                       fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
}

std::optional<std::string> Profile::*member_of(const std::filesystem::path& file,
                                               std::string_view key) {
  std::vector<std::string> known;
  for (const Field& field : kFields) {
    if (key == field.name) return field.member;
    known.emplace_back(field.name);
  }
  throw config_error(file, fmt::format("unknown key {}", key), did_you_mean(key, known));
}

Profile read_profile(const std::filesystem::path& file, const toml::table& config,
                     std::string_view name) {
  std::vector<std::string> known;
  const toml::table* profiles = config["profiles"].as_table();
  if (profiles != nullptr) {
    for (const auto& [key, value] : *profiles) known.emplace_back(key.str());
  }
  const toml::table* table = profiles == nullptr ? nullptr : (*profiles)[name].as_table();
  if (table == nullptr) {
    throw usage_error(fmt::format("there is no profile {} in {}", name, file.string()),
                      known.empty() ? "the file holds no profiles"
                                    : fmt::format("it has: {}", fmt::join(known, ", ")));
  }
  Profile profile;
  for (const auto& [key, value] : *table) {
    const auto member = member_of(file, key.str());
    const auto text = value.value_exact<std::string>();
    if (!text) throw config_error(file, fmt::format("{} must be a text", key.str()));
    profile.*member = *text;
  }
  return profile;
}

bool is_there(const std::filesystem::path& file) {
  std::error_code ignored;
  return !file.empty() && std::filesystem::exists(file, ignored);
}

}  // namespace

Profile load_profile(const std::filesystem::path& file, std::string_view name) {
  if (!is_there(file)) {
    throw usage_error(fmt::format("there is no profile {}", name),
                      fmt::format("profiles are kept in {}", file.string()));
  }
  return read_profile(file, parse_file(file), name);
}

Profile load_default_profile(const std::filesystem::path& file) {
  if (!is_there(file)) return {};
  const toml::table config = parse_file(file);
  if (!config.contains("default_profile")) return {};
  const auto name = config["default_profile"].value_exact<std::string>();
  if (!name) throw config_error(file, "default_profile must be a text");
  return read_profile(file, config, *name);
}

}  // namespace webhookd
