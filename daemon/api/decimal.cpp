#include "api/decimal.h"

#include <charconv>
#include <limits>
#include <numeric>

#include "shared/ascii.h"

namespace webhookd {
namespace {

Decimal without_trailing_zeros(Decimal number) {
  while (number.digits != 0 && number.digits % 10 == 0) {
    number.digits /= 10;
    ++number.exponent;
  }
  return number;
}

// Divides out `factor`, at most `times`.
std::uint64_t divided(std::uint64_t number, std::uint64_t factor, int times) {
  for (int i = 0; i < times && number % factor == 0; ++i) number /= factor;
  return number;
}

}  // namespace

Decimal parse_decimal(std::string_view text) {
  constexpr std::uint64_t kRoom = (std::numeric_limits<std::uint64_t>::max() - 9) / 10;
  Decimal number;
  bool in_fraction = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') in_fraction = true;
    if (c == 'e' || c == 'E') {
      const std::size_t power = text[i + 1] == '+' ? i + 2 : i + 1;
      int exponent = 0;
      std::from_chars(text.data() + power, text.data() + text.size(), exponent);
      number.exponent += exponent;
      break;
    }
    if (!is_digit(c)) continue;
    if (number.digits <= kRoom) {
      number.digits = number.digits * 10 + static_cast<std::uint64_t>(c - '0');
      if (in_fraction) --number.exponent;
    } else if (!in_fraction) {
      ++number.exponent;
    }
  }
  return without_trailing_zeros(number);
}

bool is_multiple(Decimal value, Decimal unit) {
  if (value.digits == 0) return true;
  value = without_trailing_zeros(value);
  unit = without_trailing_zeros(unit);
  const int powers_of_ten = value.exponent - unit.exponent;
  // Without trailing zeros its digits are no multiple of ten.
  if (powers_of_ten < 0) return false;
  // What the value's digits lack of the unit's must come from the powers of ten.
  const std::uint64_t lacking = unit.digits / std::gcd(value.digits, unit.digits);
  return divided(divided(lacking, 2, powers_of_ten), 5, powers_of_ten) == 1;
}

}  // namespace webhookd
