// Measures webhookd on this machine: run_bench BUILD_FOLDER.

#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
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
  bool quick = false;
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

template <typename Number>
void add_size(CLI::App& app, const char* flag, Number& size, const char* about,
              const CLI::Range& range) {
  app.add_option(flag, size, about)->capture_default_str()->check(range);
}

void add_sizes(CLI::App& app, Context& context) {
  const CLI::Range many(100, 100'000'000);
  add_size(app, "--events", context.events, "events of a throughput round", many);
  add_size(app, "--endpoints", context.endpoints, "where many are measured", {10, 100'000});
  add_size(app, "--in-flight", context.in_flight, "attempts that a receiver holds", many);
  add_size(app, "--waiting", context.waiting, "deliveries that wait", {1000, 100'000'000});
  add_size(app, "--stored", context.stored, "deliveries of a long history", many);
  add_size(app, "--retries", context.retries, "retries due in one second", many);
  add_size(app, "--rounds", context.rounds, "rounds of each ratio", {1, 100});
  add_size(app, "--seconds", context.seconds, "length at a fixed rate", {1, 600});
}

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("build", arguments.build, "folder that holds webhookd, built for release")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--json", arguments.json, "write the figures to this file too");
  app.add_option("--dir", arguments.dir, "make state directories in here (default: build)")
      ->take_last()
      ->check(CLI::ExistingDirectory);
  app.add_option("--only", arguments.only, "run only these scenarios")
      ->check(CLI::IsMember(scenario_names()));
  app.add_flag("--quick", arguments.quick,
               "small sizes: shows in seconds that everything runs; its figures say nothing");
  add_sizes(app, arguments.context);
  app.footer(scenario_list());
}

// Daemons inherit it. Root may have more than it was given; others take what they may.
void raise_file_limit() {
  constexpr rlim_t kWanted = 65'536;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  const rlimit wanted{std::max(kWanted, files.rlim_max), std::max(kWanted, files.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

bool is_chosen(const Arguments& arguments, std::string_view name) {
  return arguments.only.empty() ||
         std::find(arguments.only.begin(), arguments.only.end(), name) != arguments.only.end();
}

// A daemon that answered nothing, or a clock that ran backwards, would show here.
void check_sane(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (std::isfinite(row.value) && row.value > 0) continue;
    throw Failed(fmt::format("{} is {}: that cannot be", row.name, row.value));
  }
}

// One that fails has no rows; the others are measured all the same.
Report measured(const Arguments& arguments) {
  Report report;
  for (const Scenario& scenario : scenarios()) {
    if (!is_chosen(arguments, scenario.name)) continue;
    fmt::print(stderr, "measuring {}: {}\n", scenario.name, scenario.about);
    try {
      const std::vector<Row> more = scenario.run(arguments.context);
      check_sane(more);
      report.rows.insert(report.rows.end(), more.begin(), more.end());
    } catch (const std::exception& fault) {
      fmt::print(stderr, "error: {}: {}\n", scenario.name, fault.what());
      report.failed.push_back({std::string{scenario.name}, fault.what()});
    }
  }
  return report;
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
  if (arguments.quick) make_quick(arguments.context);
  arguments.context.webhookd = std::filesystem::canonical(arguments.build) / "webhookd";
  if (!std::filesystem::exists(arguments.context.webhookd)) {
    throw Failed("not built: " + arguments.context.webhookd.string());
  }
  arguments.context.dir =
      std::filesystem::canonical(arguments.dir.empty() ? arguments.build : arguments.dir);
  Report report = measured(arguments);
  report.machine = this_machine(arguments.context.dir);
  fmt::print("{}", table_text(report));
  if (!arguments.json.empty()) write_json(arguments.json, report_json(report));
  return report.failed.empty() ? 0 : kFailed;
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
