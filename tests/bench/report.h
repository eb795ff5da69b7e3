#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "bench/scenario.h"
#include "shared/model_json.h"

namespace webhookd::bench {

// What the figures belong to.
struct Machine {
  int cpus = 0;
  std::string cpu_model;
  std::string kernel;
  std::string file_system;  // of the state directories
  std::string build_type;
};
Machine this_machine(const std::filesystem::path& dir);

// One aligned table for a person, a line for each row.
std::string table_text(const Machine& machine, std::span<const Row> rows);

// {"machine": {...}, "rows": [{"name", "value", "unit", "goal": null | {"at_least" | "at_most":
// n}, "met": null | bool, "note"}]}
Json report_json(const Machine& machine, std::span<const Row> rows);

}  // namespace webhookd::bench
