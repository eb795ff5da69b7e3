#include "cli/app.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/command.h"
#include "cli/commands/commands.h"
#include "cli/text.h"
#include "shared/event_pattern.h"
#include "shared/time.h"
#include "shared/version.h"

namespace webhookd {
namespace {

constexpr const char* kFooter = R"(Examples:
  webhookctl create https://example.com/hook --event user.created
  webhookctl list
  webhookctl test example.com
  webhookctl deliveries example.com --status failed --since 2h

Exit codes: 0 done, 1 server or internal error, 2 usage, 3 not found, 4 not allowed,
  5 daemon unreachable, 6 rejected, 7 a delivery failed, 8 timed out, 9 partly done

Whom to ask: --server or --socket, else WEBHOOKCTL_SERVER or WEBHOOKCTL_SOCKET, else the profile in
  ~/.config/webhookctl/config.toml, else the local daemon's socket. See webhookctl(1).)";

void add_connection_flags(CLI::App& app, GlobalFlags& flags) {
  app.add_option("--server", flags.server, "Address of the server: http://… or https://…")
      ->type_name("URL");
  app.add_option("--socket", flags.socket, "Unix socket of the daemon")->type_name("PATH");
  app.add_option("--token-file", flags.token_file, "File that holds the token; - is stdin")
      ->type_name("FILE");
  app.add_option("--profile", flags.profile, "Profile of the configuration file")
      ->type_name("NAME");
  app.add_option("--timeout", flags.timeout, "How long one request may take (default 30s)")
      ->type_name("DURATION");
  app.add_option("--cacert", flags.cacert, "Authority that signed the server's certificate")
      ->type_name("FILE");
}

void add_output_flags(CLI::App& app, GlobalFlags& flags) {
  app.add_option("-o,--output", flags.output,
                 "table, wide, json, jsonl or tsv (default: table on a terminal, else tsv)")
      ->type_name("FORMAT");
  app.add_flag_callback(
      "--no-header", [&flags] { flags.header = HeaderLine::hidden; },
      "Tables and TSV without their first line");
  app.add_flag_callback(
      "-q,--quiet", [&flags] { flags.verbosity = Verbosity::quiet; }, "No notes on stderr");
  app.add_flag_callback(
      "-v,--verbose", [&flags] { flags.verbosity = Verbosity::verbose; },
      "Each request on stderr in one line");
  app.add_flag_callback(
      "--debug", [&flags] { flags.debug = Debug::on; },
      "Requests and answers on stderr, secrets masked");
  app.add_option("--color", flags.color, "auto, always or never")->type_name("WHEN");
  app.add_flag_callback(
      "-y,--yes", [&flags] { flags.confirmation = Confirmation::given; }, "Ask nothing: yes");
  app.add_flag_callback(
      "--no-input", [&flags] { flags.asking = Asking::never; }, "Never ask, even on a terminal");
}

void add_global_flags(CLI::App& app, GlobalFlags& flags) {
  app.fallthrough();
  // One command, or a webhook called "test" could not be named.
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", fmt::format("webhookctl {}", kVersion),
                       "Print the version and leave");
  app.footer(kFooter);
  add_connection_flags(app, flags);
  add_output_flags(app, flags);
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const long width = columns == nullptr ? 0 : std::strtol(columns, nullptr, 10);
  return width > 0 && width < 10'000 ? static_cast<int>(width) : 80;
}

Color color_on(int fd, ColorChoice choice) {
  switch (choice) {
    case ColorChoice::always:
      return Color::on;
    case ColorChoice::never:
      return Color::off;
    case ColorChoice::automatic:
      break;
  }
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return Color::off;
  const char* term = std::getenv("TERM");
  if (term == nullptr || std::string_view(term) == "dumb") return Color::off;
  return isatty(fd) == 1 ? Color::on : Color::off;
}

View make_view(const GlobalFlags& flags, std::optional<Format> format, ColorChoice color,
               Timestamp now) {
  View view;
  view.door = isatty(STDOUT_FILENO) == 1 ? Door::terminal : Door::pipe;
  const bool terminal = view.door == Door::terminal;
  view.format = format.value_or(terminal ? Format::table : Format::tsv);
  view.times = terminal && view.format != Format::tsv ? Times::relative : Times::rfc3339;
  view.color = view.format == Format::tsv ? Color::off : color_on(STDOUT_FILENO, color);
  view.header = flags.header;
  // `wide` is for those who would rather scroll than miss something.
  view.width = terminal && view.format != Format::wide ? terminal_width() : 0;
  view.now = now;
  return view;
}

// The format that an error should have when the command line could not be parsed as a whole.
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

std::string command_name(const CLI::App& app) {
  std::string name = "webhookctl";
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  return name;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
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

// `--wait` may stand alone, and must not take the word after it for a duration.
std::vector<std::string> normalised(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  bool literal = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    literal = literal || arguments[i] == "--";
    if (literal || arguments[i] != "--wait") continue;
    const bool given = i + 1 < arguments.size() && parse_duration(arguments[i + 1]).has_value();
    if (!given) arguments[i] = "--wait=30s";
  }
  return arguments;
}

Exit run_command(const CLI::App& app, const CommandLine& commands, const GlobalFlags& flags,
                 const Settings& settings, Output& out) {
  const Runner runner = commands.chosen();
  if (!runner) {
    throw usage_error(fmt::format("{} needs a command", command_name(app)),
                      fmt::format("{} --help", command_name(app)));
  }
  Trace trace;
  trace.verbose = [&out](std::string_view line) { out.detail(line); };
  if (flags.debug == Debug::on) {
    trace.debug = [](std::string_view line) {
      const std::string text = safe_text(line) + "\n";
      static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
    };
  }
  Client client(settings.connection, std::move(trace));
  const SystemClock clock;
  SystemRandom random;
  const bool can_ask = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  Context context{
      client, out, clock, random, can_ask ? flags.asking : Asking::never, flags.confirmation};
  return runner(context);
}

// Ends at once with the status that a shell gives for SIGINT. Commands that have something to
// tidy up install their own.
void on_interrupt(int) { _exit(static_cast<int>(Exit::interrupted)); }

void set_up_signals() {
  signal(SIGPIPE, SIG_IGN);
  struct sigaction old {};
  sigaction(SIGINT, nullptr, &old);
  // A shell starts background jobs with SIGINT ignored, and means it.
  if (old.sa_handler != SIG_IGN) signal(SIGINT, on_interrupt);
}

Exit run(CLI::App& app, const std::vector<std::string>& arguments) {
  GlobalFlags flags;
  add_global_flags(app, flags);
  CommandLine commands(app);
  add_commands(commands);
  const Timestamp now = SystemClock().now();
  std::optional<Format> format = wanted_format(arguments);
  ColorChoice color = ColorChoice::automatic;
  const auto output = [&] {
    return Output(make_view(flags, format, color, now), flags.verbosity,
                  color_on(STDERR_FILENO, color));
  };
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
    const Settings settings = resolve_settings(flags, process_surroundings());
    if (settings.format) format = settings.format;
    color = settings.color;
    Output out = output();
    return run_command(app, commands, flags, settings, out);
  } catch (const CLI::Success& wanted) {
    app.exit(wanted);
    return Exit::done;
  } catch (const CLI::ParseError& error) {
    const CliError failure = parse_failure(app, error);
    output().error(failure);
    return failure.exit;
  } catch (const CliError& failure) {
    output().error(failure);
    return failure.exit;
  }
}

}  // namespace

int run_webhookctl(int argc, char** argv) {
  set_up_signals();
  try {
    CLI::App app("Steers webhookd: webhooks, events and deliveries.", "webhookctl");
    return static_cast<int>(run(app, normalised(argc, argv)));
  } catch (const ReaderGone&) {
    return static_cast<int>(Exit::done);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(Exit::internal);
  }
}

}  // namespace webhookd
