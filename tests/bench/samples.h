#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "shared/time.h"

namespace webhookd::bench {

// Raw measurements of one thing; nothing is binned or dropped. Not thread-safe.
class Samples {
 public:
  void add(Monotonic::duration value) { add_number(std::chrono::duration<double>(value).count()); }
  void add_number(double value);
  std::size_t count() const { return values_.size(); }

  // Nearest rank: the smallest sample that at least `percent` % of all do not exceed, 0 < percent
  // <= 100. Durations are in seconds. Throws Failed when there is no sample.
  double percentile(double percent);
  double median() { return percentile(50); }
  double smallest();
  double largest() { return percentile(100); }
  double sum() const;

  // "median of 3, 0.41 to 0.44": what a reader needs to judge a median.
  std::string spread(int precision);

 private:
  void sort();

  std::vector<double> values_;
  bool sorted_ = false;
};

}  // namespace webhookd::bench
