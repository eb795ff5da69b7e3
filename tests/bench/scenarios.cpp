#include <array>

#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

constexpr std::array kScenarios{
    Scenario{"disk", "4 KiB appends, each followed by fdatasync", &measure_disk},
    Scenario{"throughput", "bare libcurl sender, the daemon end to end, their ratio",
             &measure_throughput},
    Scenario{"latency", "publish to received at 1,000 events per second", &measure_latency},
};

}  // namespace

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
