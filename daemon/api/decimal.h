#pragma once

#include <cstdint>
#include <string_view>

namespace webhookd {

// A number's magnitude, digits × 10^exponent, as it was written: 19.99 is exactly that. What its
// digits have beyond the twentieth is cut off.
struct Decimal {
  std::uint64_t digits = 0;
  int exponent = 0;
};

// `text` is a JSON number.
Decimal parse_decimal(std::string_view text);

// Whether `value` is a whole number of `unit`s, which is not zero.
bool is_multiple(Decimal value, Decimal unit);

}  // namespace webhookd
