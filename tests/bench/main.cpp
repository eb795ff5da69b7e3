// Measures webhookd on this machine: run_bench BUILD_FOLDER.

#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/report.h"
#include "bench/scenario.h"
#include "bench/socket.h"

namespace webhookd::bench {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Arguments {
  std::filesystem::path build;
  std::filesystem::path json;
  std::filesystem::path dir;
  std::vector<std::string> only;
  Context context;
};

std::string scenario_list() {
  std::string out = "Scenarios:\n";
  for (const Scenario& scenario : scenarios()) {
    out += fmt::format("  {:<12} {}\n", scenario.name, scenario.about);
  }
  return out + "\nExits 0 when everything was measured, whether or not a goal was met.";
}

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const Scenario& scenario : scenarios()) names.emplace_back(scenario.name);
  return names;
}

void add_options(CLI::App& app, Arguments& arguments) {
  Context& context = arguments.context;
  app.add_option("build", arguments.build, "folder that holds webhookd, built for release")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--json", arguments.json, "write the figures to this file too");
  app.add_option("--dir", arguments.dir, "make state directories in here (default: build)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--only", arguments.only, "run only these scenarios")
      ->check(CLI::IsMember(scenario_names()));
  app.add_option("--events", context.events, "events of a throughput round")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--rounds", context.rounds, "rounds of each ratio")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--seconds", context.seconds, "length at a fixed rate")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  app.footer(scenario_list());
}

void raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

bool is_chosen(const Arguments& arguments, std::string_view name) {
  return arguments.only.empty() ||
         std::find(arguments.only.begin(), arguments.only.end(), name) != arguments.only.end();
}

std::vector<Row> measured(const Arguments& arguments) {
  std::vector<Row> rows;
  for (const Scenario& scenario : scenarios()) {
    if (!is_chosen(arguments, scenario.name)) continue;
    fmt::print(stderr, "measuring {}: {}\n", scenario.name, scenario.about);
    try {
      const std::vector<Row> more = scenario.run(arguments.context);
      rows.insert(rows.end(), more.begin(), more.end());
    } catch (const std::exception& fault) {
      throw Failed(fmt::format("{}: {}", scenario.name, fault.what()));
    }
  }
  return rows;
}

void write_json(const std::filesystem::path& path, const Json& json) {
  std::ofstream file(path);
  file << json.dump(2) << '\n';
  file.close();
  if (!file) throw Failed("cannot write " + path.string());
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"Measures webhookd on this machine, in one run, and prints one table.", "run_bench"};
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& fault) {
    return app.exit(fault) == 0 ? 0 : kUsage;
  }
  raise_file_limit();
  arguments.context.webhookd = std::filesystem::canonical(arguments.build) / "webhookd";
  if (!std::filesystem::exists(arguments.context.webhookd)) {
    throw Failed("not built: " + arguments.context.webhookd.string());
  }
  arguments.context.dir =
      std::filesystem::canonical(arguments.dir.empty() ? arguments.build : arguments.dir);
  const std::vector<Row> rows = measured(arguments);
  const Machine machine = this_machine(arguments.context.dir);
  fmt::print("{}", table_text(machine, rows));
  if (!arguments.json.empty()) write_json(arguments.json, report_json(machine, rows));
  return 0;
}

}  // namespace
}  // namespace webhookd::bench

int main(int argc, char** argv) {
  try {
    return webhookd::bench::run(argc, argv);
  } catch (const std::exception& fault) {
    fmt::print(stderr, "error: {}\n", fault.what());
    return webhookd::bench::kFailed;
  }
}
