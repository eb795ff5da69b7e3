#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/settings.h"
#include "shared/encoding.h"
#include "shared/event_pattern.h"
#include "shared/time.h"

namespace webhookd {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// CLI11 takes the word after `--name=` for its value.
std::vector<std::string> without_dangling_equals(const std::vector<std::string>& words) {
  std::vector<std::string> arguments;
  bool literal = false;
  for (const std::string& word : words) {
    literal = literal || word == "--";
    const bool dangling = word.starts_with("--") && word.find('=') + 1 == word.size();
    if (literal || !dangling) {
      arguments.push_back(word);
      continue;
    }
    arguments.push_back(word.substr(0, word.size() - 1));
    arguments.emplace_back();
  }
  return arguments;
}

bool looks_like_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

// Whether the word after this option is its value, in whatever command.
bool takes_value(const CLI::App& app, const std::string& word) {
  if (!looks_like_option(word)) return false;
  const CLI::Option* option = app.get_option_no_throw(word);
  if (option != nullptr) return option->get_items_expected_min() > 0;
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  return std::any_of(commands.begin(), commands.end(),
                     [&word](const CLI::App* command) { return takes_value(*command, word); });
}

// A description may be emptied; everything else that is empty was not meant.
bool may_be_empty(const CLI::Option& option) { return option.get_name() == "--description"; }

// A file's name is bytes, and goes to no server.
bool names_a_file(const CLI::Option& option) {
  return option.get_type_name() == "FILE" || option.get_type_name() == "PATH";
}

void check_option(const CLI::Option& option) {
  for (const std::string& value : option.results()) {
    if (value.empty() && !may_be_empty(option)) {
      throw usage_error(fmt::format("{} is empty", option.get_name()),
                        "leave it out to do without it; is a variable that it comes from not set?");
    }
    if (!is_utf8(value) && !names_a_file(option)) {
      throw usage_error(fmt::format("{} is not valid UTF-8", option.get_name()),
                        "all text goes to the server as UTF-8: see the locale of your terminal");
    }
  }
}

}  // namespace

std::vector<std::string> split_arguments(int argc, char** argv) {
  return without_dangling_equals(std::vector<std::string>(argv + 1, argv + argc));
}

std::vector<std::string> prepared_arguments(const CLI::App& app,
                                            const std::vector<std::string>& words) {
  std::vector<std::string> arguments;
  for (auto word = words.begin(); word != words.end(); ++word) {
    const auto next = word + 1;
    if (*word == "--") {
      // CLI11 adds nothing from behind it to a list that has begun before.
      const bool is_needed = std::any_of(next, words.end(), looks_like_option);
      arguments.insert(arguments.end(), is_needed ? word : next, words.end());
      break;
    }
    const bool is_wait = *word == "--wait";
    const bool has_value = next != words.end() &&
                           (is_wait ? parse_duration(*next).has_value() : takes_value(app, *word));
    arguments.push_back(is_wait && !has_value ? "--wait=30s" : *word);
    if (has_value) arguments.push_back(*++word);
  }
  return arguments;
}

std::optional<Format> wanted_format(const std::vector<std::string>& arguments) {
  std::string text;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if ((argument == "-o" || argument == "--output") && i + 1 < arguments.size()) {
      text = arguments[i + 1];
    } else if (argument.starts_with("--output=")) {
      text = argument.substr(9);
    } else if (argument.starts_with("-ojson")) {
      text = argument.substr(2);
    }
  }
  if (text.empty()) text = process_surroundings().variable("WEBHOOKCTL_OUTPUT").value_or("");
  if (text == "json") return Format::json;
  if (text == "jsonl") return Format::jsonl;
  return std::nullopt;
}

void check_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) check_option(*option);
  for (const CLI::App* command : app.get_subcommands()) check_values(*command);
}

std::string command_name(const CLI::App& app) {
  std::string name = "webhookctl";
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  return name;
}

CliError parse_failure(const CLI::App& app, const CLI::ParseError& error) {
  const std::string hint = fmt::format("{} --help", command_name(app));
  if (app.get_subcommands().empty()) {
    for (const std::string& word : app.remaining()) {
      if (word.starts_with('-')) continue;
      const auto near = nearest(word, command_names(app));
      return usage_error(
          fmt::format("there is no command {}", word),
          near ? fmt::format("did you mean `webhookctl {}`?", *near) : "webhookctl --help");
    }
  }
  std::string message = error.what();
  while (message.ends_with('\n')) message.pop_back();
  return usage_error(message, hint);
}

}  // namespace webhookd
