#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <sstream>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/commands/commands.h"
#include "cli/text.h"
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

View make_view(const GlobalFlags& flags, std::optional<Format> format, ColorChoice color) {
  View view;
  view.door = isatty(STDOUT_FILENO) == 1 ? Door::terminal : Door::pipe;
  const bool terminal = view.door == Door::terminal;
  view.format = format.value_or(terminal ? Format::table : Format::tsv);
  view.times = terminal && view.format != Format::tsv ? Times::relative : Times::rfc3339;
  view.color = view.format == Format::tsv ? Color::off : color_on(STDOUT_FILENO, color);
  view.header = flags.header;
  // `wide` is for those who would rather scroll than miss something.
  view.width = terminal && view.format != Format::wide ? terminal_width() : 0;
  return view;
}

Exit run_command(const CLI::App& app, const CommandLine& commands, const GlobalFlags& flags,
                 const Settings& settings, Output& out) {
  const Runner runner = commands.chosen();
  if (!runner) {
    throw usage_error(fmt::format("{} needs a command", command_name(app)),
                      fmt::format("{} --help", command_name(app)));
  }
  for (const Warning& warning : settings.warnings) out.warn(warning.sentence, warning.hint);
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
  const Asking asking =
      can_ask || flags.asking == Asking::never ? flags.asking : Asking::no_terminal;
  Context context{client, out, clock, random, asking, flags.confirmation};
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

// A descriptor that is missing would become curl's socket, and what we write would go to the
// server. Writing to a closed stdout must fail, as it does on what is open for reading only.
void open_missing_streams() {
  constexpr std::pair<int, int> kStreams[] = {
      {STDIN_FILENO, O_RDONLY}, {STDOUT_FILENO, O_RDONLY}, {STDERR_FILENO, O_WRONLY}};
  for (const auto& [fd, mode] : kStreams) {
    const bool missing = fcntl(fd, F_GETFD) == -1 && errno == EBADF;
    if (missing) static_cast<void>(open("/dev/null", mode));
  }
}

// A command that does without settings runs whatever is wrong with them.
Settings settings_for(const CommandLine& commands, const GlobalFlags& flags) {
  try {
    return resolve_settings(flags, process_surroundings());
  } catch (const CliError&) {
    if (commands.needs() == Needs::settings) throw;
    return {};
  }
}

// What was done, which counts only if it could be told.
Exit told(Output& out, Exit exit) {
  const std::optional<CliError> failure = out.failure();
  if (!failure) return exit;
  out.error(*failure);
  return exit == Exit::done ? failure->exit : exit;
}

Exit run(CLI::App& app, const std::vector<std::string>& words) {
  GlobalFlags flags;
  add_global_flags(app, flags);
  CommandLine commands(app);
  add_commands(commands);
  const SystemClock clock;
  const std::vector<std::string> arguments = prepared_arguments(app, words);
  std::optional<Format> format = wanted_format(arguments);
  ColorChoice color = ColorChoice::automatic;
  const auto output = [&] {
    return Output(make_view(flags, format, color), flags.verbosity, color_on(STDERR_FILENO, color),
                  clock);
  };
  const auto failed = [&output](const CliError& failure) {
    output().error(failure);
    return failure.exit;
  };
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
    check_values(app);
    const Settings settings = settings_for(commands, flags);
    if (settings.format) format = settings.format;
    color = settings.color;
    Output out = output();
    const Exit exit = run_command(app, commands, flags, settings, out);
    return told(out, exit);
  } catch (const CLI::Success& wanted) {
    std::ostringstream help;
    app.exit(wanted, help, help);
    Output out = output();
    out.text(help.str());
    return told(out, Exit::done);
  } catch (const CLI::ParseError& error) {
    return failed(parse_failure(app, error));
  } catch (const CliError& failure) {
    return failed(failure);
  } catch (const std::exception& error) {
    return failed(CliError(Exit::internal, error.what()));
  }
}

}  // namespace

int run_webhookctl(int argc, char** argv) {
  open_missing_streams();
  set_up_signals();
  try {
    CLI::App app("Steers webhookd: webhooks, events and deliveries.", "webhookctl");
    return static_cast<int>(run(app, split_arguments(argc, argv)));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(Exit::internal);
  }
}

}  // namespace webhookd
