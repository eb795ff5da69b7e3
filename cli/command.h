#pragma once

// What a command is: options on a CLI11 subcommand, and a function that runs when it was chosen.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "cli/client.h"
#include "cli/errors.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "shared/random.h"
#include "shared/time.h"

namespace CLI {
class App;
}

namespace webhookd {

struct Context {
  Client& client;
  Output& out;
  const Clock& clock;
  Random& random;
  Asking asking;
  Confirmation confirmation;
};

using Runner = std::function<Exit(Context&)>;

// What a command cannot do without.
enum class Needs { nothing, settings };

// Collects the commands while they are registered.
class CommandLine {
 public:
  explicit CommandLine(CLI::App& root) : root_(root) {}

  // A command with its one-line description and examples ("webhookctl list", one per line).
  CLI::App& add(const std::string& name, const std::string& description,
                const std::string& examples);
  // A command below another one: `events add`.
  CLI::App& add_below(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& examples);
  void on_run(const CLI::App& command, Runner runner, Needs needs = Needs::settings) {
    runs_[&command] = {std::move(runner), needs};
  }

  // The runner of the command that was parsed; empty for a command that only has others below it.
  Runner chosen() const { return chosen_run().runner; }
  Needs needs() const { return chosen_run().needs; }

 private:
  struct Run {
    Runner runner;
    Needs needs = Needs::settings;
  };
  Run chosen_run() const;

  CLI::App& root_;
  std::map<const CLI::App*, Run> runs_;
};

// An option that takes a whole number of at least 1.
void add_count(CLI::App& command, const std::string& option, std::size_t& count,
               const std::string& description);
// The same for --limit N.
void add_limit(CLI::App& command, std::size_t& limit, const std::string& description);
void add_limit(CLI::App& command, std::optional<std::size_t>& limit,
               const std::string& description);

// Asks "… [y/N]" where that is allowed; elsewhere, and when the answer is no, throws CliError
// (usage). Returns at once with -y.
void confirm(Context& context, const std::string& question);

// Runs `act` for each target. One failing target does not stop the others: each failure is
// reported, and the result is `partly` when others succeeded, else the first failure's class.
template <class Targets, class Act>
Exit for_each_target(Context& context, const Targets& targets, Act act) {
  std::size_t failed = 0;
  Exit first = Exit::done;
  for (const auto& target : targets) {
    try {
      act(target);
    } catch (const CliError& error) {
      context.out.error(error);
      if (failed++ == 0) first = error.exit;
    }
  }
  if (failed == 0) return Exit::done;
  return failed == targets.size() ? first : Exit::partly;
}

}  // namespace webhookd
