#pragma once

// The words of the command line: what is done with them before the parser has them, and what the
// parser leaves to be checked.

#include <optional>
#include <string>
#include <vector>

#include "cli/errors.h"
#include "cli/output.h"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace webhookd {

// The words after the program's name, so that `--name=` gives an empty value in place of swallowing
// the next word.
std::vector<std::string> split_arguments(int argc, char** argv);

// The words as `app`, which has all its commands, can parse them: `--wait` may stand alone, and
// `--` amid the names of several webhooks. What is an option's value stays as it is.
std::vector<std::string> prepared_arguments(const CLI::App& app,
                                            const std::vector<std::string>& words);

// json or jsonl where that was asked for: the format that an error should have when the words could
// not be parsed as a whole.
std::optional<Format> wanted_format(const std::vector<std::string>& arguments);

// Throws CliError (usage) for a value that is empty, which a variable that is not set gives, or no
// UTF-8. `app` has parsed.
void check_values(const CLI::App& app);

// "webhookctl events add"
std::string command_name(const CLI::App& app);

// Why `app` could not parse.
CliError parse_failure(const CLI::App& app, const CLI::ParseError& error);

}  // namespace webhookd
