#include "bench/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/socket.h"

namespace webhookd::bench {

void Samples::add_number(double value) {
  values_.push_back(value);
  sorted_ = false;
}

double Samples::percentile(double percent) {
  sort();
  const double rank = std::ceil(percent / 100 * static_cast<double>(values_.size()));
  return values_[std::max<std::size_t>(1, static_cast<std::size_t>(rank)) - 1];
}

double Samples::smallest() {
  sort();
  return values_.front();
}

double Samples::sum() const { return std::accumulate(values_.begin(), values_.end(), 0.0); }

std::string Samples::spread(int precision) {
  return fmt::format("median of {}, {:.{}f} to {:.{}f}", count(), smallest(), precision, largest(),
                     precision);
}

void Samples::sort() {
  if (values_.empty()) throw Failed("nothing was measured");
  if (!sorted_) std::sort(values_.begin(), values_.end());
  sorted_ = true;
}

}  // namespace webhookd::bench
