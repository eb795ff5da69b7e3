#pragma once

#include <filesystem>
#include <string>
#include <vector>

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

struct Report {
  struct Failure {
    std::string scenario;
    std::string reason;
  };
  Machine machine{};
  std::vector<Row> rows{};
  std::vector<Failure> failed{};  // scenarios without rows
};

// One aligned table for a person, a line for each row and each failure.
std::string table_text(const Report& report);

// {"machine": {...}, "rows": [{"name", "value", "unit", "goal": null | {"at_least" | "at_most":
// n}, "met": null | bool, "note"}], "failed": [{"scenario", "reason"}]}
Json report_json(const Report& report);

}  // namespace webhookd::bench
