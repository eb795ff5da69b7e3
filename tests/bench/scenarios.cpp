#include <array>

#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

constexpr std::array kScenarios{
    Scenario{"disk", "4 KiB appends, each followed by fdatasync", &measure_disk},
    Scenario{"throughput", "the daemon end to end against a bare libcurl sender, single POSTs",
             &measure_throughput},
    Scenario{"batches", "the same, published in batches", &measure_batches},
    Scenario{"ingest", "durable POSTs against POSTs that store nothing; batches", &measure_ingest},
    Scenario{"latency", "publish to received at 1,000 events per second", &measure_latency},
    Scenario{"isolation", "healthy endpoints with and without black holes among them",
             &measure_isolation},
    Scenario{"retries", "how late many retries due in the same second are", &measure_retries},
    Scenario{"memory", "resident memory when idle, and with attempts that hang", &measure_memory},
    Scenario{"waiting", "memory and start with many deliveries waiting", &measure_waiting},
    Scenario{"history", "lists, stats and ingest with a long history and a short one",
             &measure_history},
};

}  // namespace

void make_quick(Context& context) {
  context.events = 500;
  context.endpoints = 50;
  context.in_flight = 200;
  context.waiting = 2'000;
  context.stored = 2'000;
  context.stored_few = 1'000;
  context.moments = 20;
  context.retries = 200;
  context.rounds = 1;
  context.seconds = 1;
}

std::span<const Scenario> scenarios() { return kScenarios; }

bool Goal::met_by(double measured) const {
  switch (side) {
    case Side::at_least:
      return measured >= value;
    case Side::at_most:
      return measured <= value;
  }
  return false;
}

}  // namespace webhookd::bench
