#include "cli/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/text.h"

namespace webhookd {
namespace {

void describe(CLI::App& command, const std::string& examples) {
  command.require_subcommand(0, 1);
  command.footer("Examples:\n" + examples +
                 "\n\nGlobal options, exit codes: `webhookctl --help`, webhookctl(1)");
}

CLI::Validator at_least_one() {
  const auto fault = [](const std::string& text) -> std::string {
    const bool digits = !text.empty() && text.size() < 10 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    if (digits && text.find_first_not_of('0') != std::string::npos) return "";
    return "takes a whole number of at least 1";
  };
  return CLI::Validator(fault, "");
}

}  // namespace

void add_count(CLI::App& command, const std::string& option, std::size_t& count,
               const std::string& description) {
  command.add_option(option, count, description)->check(at_least_one())->type_name("N");
}

void add_limit(CLI::App& command, std::size_t& limit, const std::string& description) {
  add_count(command, "--limit", limit, description);
}

void add_limit(CLI::App& command, std::optional<std::size_t>& limit,
               const std::string& description) {
  command.add_option("--limit", limit, description)->check(at_least_one())->type_name("N");
}

CLI::App& CommandLine::add(const std::string& name, const std::string& description,
                           const std::string& examples) {
  return add_below(root_, name, description, examples);
}

CLI::App& CommandLine::add_below(CLI::App& parent, const std::string& name,
                                 const std::string& description, const std::string& examples) {
  CLI::App& command = *parent.add_subcommand(name, description);
  describe(command, examples);
  return command;
}

CommandLine::Run CommandLine::chosen_run() const {
  const CLI::App* command = &root_;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  const auto found = runs_.find(command);
  return found == runs_.end() ? Run() : found->second;
}

void confirm(Context& context, const std::string& question) {
  if (context.confirmation == Confirmation::given) return;
  if (context.asking != Asking::allowed) {
    throw usage_error(
        fmt::format("this needs a confirmation, and {}", context.asking == Asking::never
                                                             ? "--no-input allows no question"
                                                             : "there is no terminal to ask on"),
        "say --yes (-y) if you mean it");
  }
  std::cerr << safe_text(question) << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return;
  throw usage_error("not confirmed; nothing was changed", "answer y, or say --yes (-y)");
}

}  // namespace webhookd
