#pragma once

// What is measured. A scenario is one file with one function from Context to rows; it is entered
// in scenarios.cpp. It throws when a step does not do what the figure relies on, and then has no
// rows at all. Every wait and loop in it is bounded.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace webhookd::bench {

struct Context {
  std::filesystem::path webhookd;   // the program under test
  std::filesystem::path dir;        // state directories are made in here
  std::size_t events = 30'000;      // of one throughput round
  std::size_t endpoints = 1'000;    // where a figure is about many
  std::size_t in_flight = 10'000;   // attempts that a receiver holds
  std::size_t waiting = 1'000'000;  // deliveries
  std::size_t stored = 5'000'000;   // deliveries of a long history,
  std::size_t stored_few = 10'000;  // and of the short one that it is held against
  std::size_t moments = 500;        // at which either came about
  std::size_t retries = 10'000;     // due in the same second
  int rounds = 3;                   // of each ratio; the median counts
  int seconds = 10;                 // of a measurement at a fixed rate
};

// Sizes that show within seconds that everything runs. Their figures say nothing.
void make_quick(Context& context);

struct Goal {
  enum class Side { at_least, at_most };
  Side side = Side::at_least;
  double value = 0;

  bool met_by(double measured) const;
};

struct Row {
  std::string name;  // stable: other programs look for it in the JSON
  double value = 0;
  std::string unit;
  std::optional<Goal> goal;
  std::string note;
};

struct Scenario {
  std::string_view name;
  std::string_view about;
  std::vector<Row> (*run)(const Context& context);
};

// In the order in which they run.
std::span<const Scenario> scenarios();

std::vector<Row> measure_disk(const Context& context);
std::vector<Row> measure_throughput(const Context& context);
std::vector<Row> measure_batches(const Context& context);
std::vector<Row> measure_ingest(const Context& context);
std::vector<Row> measure_latency(const Context& context);
std::vector<Row> measure_isolation(const Context& context);
std::vector<Row> measure_retries(const Context& context);
std::vector<Row> measure_memory(const Context& context);
std::vector<Row> measure_waiting(const Context& context);
std::vector<Row> measure_history(const Context& context);

// 4 KiB appends a second that the disk under `dir` takes, each with an fdatasync, tried for `time`.
double fdatasync_rate(const std::filesystem::path& dir, std::chrono::milliseconds time);

// "ext2/ext3/ext4", "tmpfs", or the number of a file system that we have no name for.
std::string file_system_name(const std::filesystem::path& path);

}  // namespace webhookd::bench
