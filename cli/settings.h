#pragma once

// Whom to ask and how to show it: flags, then the environment, then a profile, then defaults.

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"
#include "cli/output.h"

namespace webhookd {

enum class Asking { allowed, never, no_terminal };  // never: --no-input
enum class Confirmation { asked, given };           // -y
enum class ColorChoice { automatic, always, never };
enum class Debug { off, on };

// The global options as they stand on the command line; absent: not given.
struct GlobalFlags {
  std::optional<std::string> server;
  std::optional<std::string> socket;
  std::optional<std::string> token_file;
  std::optional<std::string> profile;
  std::optional<std::string> output;
  std::optional<std::string> timeout;
  std::optional<std::string> cacert;
  std::optional<std::string> color;
  HeaderLine header = HeaderLine::shown;
  Verbosity verbosity = Verbosity::normal;
  Debug debug = Debug::off;
  Confirmation confirmation = Confirmation::asked;
  Asking asking = Asking::allowed;
};

// What the process was started in. Tests replace it.
struct Surroundings {
  std::function<std::optional<std::string>(std::string_view name)> variable;  // never ""
  std::filesystem::path system_socket;
  std::filesystem::path user_socket;  // empty: there is no home to have one in
  std::filesystem::path config_file;  // likewise
};

Surroundings process_surroundings();

// What a person should know, and what to do about it.
struct Warning {
  std::string sentence;
  std::string hint;
};

struct Settings {
  Connection connection;
  std::optional<Format> format;  // absent: by where stdout leads
  ColorChoice color = ColorChoice::automatic;
  std::vector<Warning> warnings;
};

// Reads the configuration file and the token. A token that a profile names is only sent to the
// server that the same profile names. Throws CliError (usage) for contradictions, unreadable
// files, unknown profiles and unknown keys. Warns of files that others may change, and of tokens
// that they may read; also of a broken configuration where a flag or a variable names the server,
// so that nothing was to be taken from it.
Settings resolve_settings(const GlobalFlags& flags, const Surroundings& surroundings);

// `table`, `wide`, `json`, `jsonl` or `tsv`; `where` names the source in the error.
Format parse_format(std::string_view text, std::string_view where);

// A duration; throws CliError (usage) naming `where`.
std::chrono::milliseconds parse_duration_of(std::string_view text, std::string_view where);
// The same in seconds, of which nothing may be left over.
std::int64_t parse_seconds_of(std::string_view text, std::string_view where);

// All of a file, or of stdin for "-". Throws CliError (usage) when it can't be read.
std::string read_source(std::string_view path);

// A file that holds one secret: read_source without the line end. Throws when it is empty.
std::string read_secret(std::string_view path, std::string_view what);

}  // namespace webhookd
