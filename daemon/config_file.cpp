#include "config_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "config.h"
#include "shared/event_pattern.h"

namespace webhookd {
namespace {

std::string nearest_key(const Keys& keys, const std::string& word) {
  std::vector<std::string> names;
  for (const auto& [name, option] : keys) names.push_back(name);
  const auto guess = nearest(word, names);
  return guess ? fmt::format("; did you mean {}?", *guess) : "; see webhookd.conf(5)";
}

// A directory reads as an empty file.
void refuse_directory(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw ConfigError(fmt::format("--config: {} is a directory", path));
  }
}

toml::table parse_toml(const std::string& path) {
  refuse_directory(path);
  try {
    return toml::parse_file(path);
  } catch (const toml::parse_error& fault) {
    throw ConfigError(fmt::format("{}:{}: {}", path, fault.source().begin.line,
                                  std::string(fault.description())));
  }
}

std::string place_of(const std::string& path, const toml::key& key, const toml::node& node) {
  return fmt::format("{}:{}: {}", path, node.source().begin.line, key.str());
}

// All at once: who renames one misspelt key does not want to start again for the next.
void refuse_unknown_keys(const std::string& path, const toml::table& table, const Keys& keys) {
  std::set<std::pair<unsigned, std::string>> by_line;  // the table has them by name
  for (const auto& [key, node] : table) {
    const std::string name{key.str()};
    if (keys.contains(name)) continue;
    by_line.emplace(
        node.source().begin.line,
        fmt::format("{}: unknown key{}", place_of(path, key, node), nearest_key(keys, name)));
  }
  std::string all;
  for (const auto& [line, text] : by_line) all += (all.empty() ? "" : "\n  ") + text;
  if (!all.empty()) throw ConfigError(all);
}

std::vector<std::string> texts_of(const toml::node& node, const std::string& where) {
  if (const auto* text = node.as_string()) return {text->get()};
  if (const auto* number = node.as_integer()) return {fmt::format("{}", number->get())};
  if (const auto* list = node.as_array()) {
    std::vector<std::string> texts;
    for (const auto& item : *list) {
      if (item.is_array()) break;
      for (auto& text : texts_of(item, where)) texts.push_back(std::move(text));
    }
    if (texts.size() == list->size()) return texts;
  }
  throw ConfigError(where + ": should be a string, an integer or a list of those");
}

std::vector<std::string> values_of(const CLI::Option& option, const toml::node& node,
                                   const std::string& where) {
  const bool is_flag = option.get_items_expected_max() == 0;
  if (is_flag) {
    const auto* flag = node.as_boolean();
    if (flag == nullptr) throw ConfigError(where + ": should be true or false");
    return {flag->get() ? "true" : "false"};
  }
  std::vector<std::string> texts = texts_of(node, where);
  const bool is_empty = texts.empty() || (texts.size() == 1 && texts.front().empty());
  if (is_empty) throw ConfigError(where + ": must not be empty; leave it out for the default");
  return texts;
}

}  // namespace

void apply_file(const std::string& path, const Keys& keys) {
  const toml::table table = parse_toml(path);
  refuse_unknown_keys(path, table, keys);
  for (const auto& [key, node] : table) {
    CLI::Option& option = *keys.at(std::string(key.str()));
    const std::string where = place_of(path, key, node);
    const std::vector<std::string> values = values_of(option, node, where);
    if (option.count() > 0) continue;
    try {
      for (const std::string& value : values) option.add_result(value);
      option.run_callback();
    } catch (const CLI::Error& fault) {
      throw ConfigError(fmt::format("{}: {}", where, fault.what()));
    }
  }
}

}  // namespace webhookd
