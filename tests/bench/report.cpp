#include "bench/report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace webhookd::bench {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string number_text(double value) {
  if (std::abs(value) >= 100) return fmt::format("{:.0f}", value);
  return fmt::format("{:.3g}", value);
}

std::string_view side_name(Goal::Side side) {
  switch (side) {
    case Goal::Side::at_least:
      return "at_least";
    case Goal::Side::at_most:
      return "at_most";
  }
  return {};
}

std::string goal_text(const Row& row) {
  if (!row.goal) return "";
  const char* const sign = row.goal->side == Goal::Side::at_least ? ">=" : "<=";
  return fmt::format("{} {} {}", sign, number_text(row.goal->value),
                     row.goal->met_by(row.value) ? "met" : "MISSED");
}

Json row_json(const Row& row) {
  Json json{{"name", row.name}, {"value", row.value}, {"unit", row.unit},
            {"goal", nullptr},  {"met", nullptr},     {"note", row.note}};
  if (row.goal) {
    json["goal"] = Json::object({{side_name(row.goal->side), row.goal->value}});
    json["met"] = row.goal->met_by(row.value);
  }
  return json;
}

}  // namespace

Machine this_machine(const std::filesystem::path& dir) {
  utsname about{};
  ::uname(&about);
  return {static_cast<int>(std::thread::hardware_concurrency()), cpu_model(), about.release,
          file_system_name(dir), WEBHOOKD_BUILD_TYPE};
}

std::string table_text(const Report& report) {
  const Machine& machine = report.machine;
  std::string out =
      fmt::format("{} x {}, Linux {}, {}, {} build\n\n", machine.cpus, machine.cpu_model,
                  machine.kernel, machine.file_system, machine.build_type);
  constexpr std::string_view kLine = "{:<28} {:>10}  {:<9} {:<16} {}\n";
  out += fmt::format(kLine, "figure", "value", "unit", "goal", "note");
  for (const Row& row : report.rows) {
    out += fmt::format(kLine, row.name, number_text(row.value), row.unit, goal_text(row), row.note);
  }
  for (const Report::Failure& failure : report.failed) {
    out += fmt::format("{}: not measured: {}\n", failure.scenario, failure.reason);
  }
  return out;
}

Json report_json(const Report& report) {
  const Machine& machine = report.machine;
  Json json{{"machine",
             {{"cpus", machine.cpus},
              {"cpu_model", machine.cpu_model},
              {"kernel", machine.kernel},
              {"file_system", machine.file_system},
              {"build_type", machine.build_type}}},
            {"rows", Json::array()},
            {"failed", Json::array()}};
  for (const Row& row : report.rows) json["rows"].push_back(row_json(row));
  for (const Report::Failure& failure : report.failed) {
    json["failed"].push_back({{"scenario", failure.scenario}, {"reason", failure.reason}});
  }
  return json;
}

}  // namespace webhookd::bench
