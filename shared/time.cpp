#include "shared/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "shared/ascii.h"

namespace webhookd {

namespace {

using std::chrono::milliseconds;

// Reads a text from its beginning. After the first thing that does not fit, `failed`.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool at_digit() const { return !rest_.empty() && is_digit(rest_.front()); }
  bool complete() const { return !failed_ && rest_.empty(); }
  void fail() { failed_ = true; }

  char take() {
    if (rest_.empty()) {
      failed_ = true;
      return '\0';
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void expect(std::string_view literal) {
    if (!rest_.starts_with(literal)) return fail();
    rest_.remove_prefix(literal.size());
  }
  // Exactly `count` digits.
  int number(int count) {
    int value = 0;
    for (int i = 0; i < count; ++i) {
      if (!at_digit()) fail();
      value = value * 10 + (failed_ ? 0 : take() - '0');
    }
    return value;
  }
  // The index of the name that comes next.
  unsigned one_of(std::span<const std::string_view> names) {
    for (unsigned i = 0; i < names.size(); ++i) {
      if (!rest_.starts_with(names[i])) continue;
      rest_.remove_prefix(names[i].size());
      return i;
    }
    fail();
    return 0;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

struct Fields {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

std::optional<Timestamp> to_timestamp(const Fields& fields) {
  const std::chrono::year_month_day date{std::chrono::year{fields.year},
                                         std::chrono::month{fields.month},
                                         std::chrono::day{fields.day}};
  if (!date.ok() || fields.hour > 23 || fields.minute > 59) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{fields.hour} +
         std::chrono::minutes{fields.minute} + std::chrono::seconds{fields.second};
}

void read_clock(Scanner& scanner, Fields& fields) {
  fields.hour = scanner.number(2);
  scanner.expect(":");
  fields.minute = scanner.number(2);
  scanner.expect(":");
  fields.second = scanner.number(2);
}

milliseconds read_fraction(Scanner& scanner) {
  if (!scanner.at('.')) return milliseconds{0};
  scanner.take();
  if (!scanner.at_digit()) scanner.fail();
  int millis = 0;
  for (int weight = 100; scanner.at_digit(); weight /= 10) {
    millis += (scanner.take() - '0') * weight;
  }
  return milliseconds{millis};
}

// How far local time is ahead of UTC.
std::chrono::minutes read_offset(Scanner& scanner) {
  const char sign = scanner.take();
  if (sign == 'Z' || sign == 'z') return std::chrono::minutes{0};
  if (sign != '+' && sign != '-') scanner.fail();
  const int hours = scanner.number(2);
  scanner.expect(":");
  const int minutes = scanner.number(2);
  if (hours > 23 || minutes > 59) scanner.fail();
  return std::chrono::minutes{(sign == '-' ? -1 : 1) * (hours * 60 + minutes)};
}

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> kLongDays = {
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

// Which day of the week it says is not compared with the date: a wrong one does no harm.
std::optional<Timestamp> http_timestamp(const Scanner& scanner, const Fields& fields) {
  // 60: a leap second is allowed here.
  if (!scanner.complete() || fields.second > 60) return std::nullopt;
  return to_timestamp(fields);
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<Timestamp> parse_imf_fixdate(std::string_view text) {
  Scanner scanner{text};
  Fields fields;
  scanner.one_of(kDays);
  scanner.expect(", ");
  fields.day = static_cast<unsigned>(scanner.number(2));
  scanner.expect(" ");
  fields.month = scanner.one_of(kMonths) + 1;
  scanner.expect(" ");
  fields.year = scanner.number(4);
  scanner.expect(" ");
  read_clock(scanner, fields);
  scanner.expect(" GMT");
  return http_timestamp(scanner, fields);
}

// "Sunday, 06-Nov-94 08:49:37 GMT"
std::optional<Timestamp> parse_rfc850_date(std::string_view text) {
  Scanner scanner{text};
  Fields fields;
  scanner.one_of(kLongDays);
  scanner.expect(", ");
  fields.day = static_cast<unsigned>(scanner.number(2));
  scanner.expect("-");
  fields.month = scanner.one_of(kMonths) + 1;
  scanner.expect("-");
  // The standard asks for a window around today; a fixed one needs no clock and is right for a
  // form that nobody has written for decades.
  const int year = scanner.number(2);
  fields.year = year < 70 ? 2000 + year : 1900 + year;
  scanner.expect(" ");
  read_clock(scanner, fields);
  scanner.expect(" GMT");
  return http_timestamp(scanner, fields);
}

// "Sun Nov  6 08:49:37 1994"
std::optional<Timestamp> parse_asctime_date(std::string_view text) {
  Scanner scanner{text};
  Fields fields;
  scanner.one_of(kDays);
  scanner.expect(" ");
  fields.month = scanner.one_of(kMonths) + 1;
  scanner.expect(" ");
  const bool padded = scanner.at(' ');
  if (padded) scanner.take();
  fields.day = static_cast<unsigned>(scanner.number(padded ? 1 : 2));
  scanner.expect(" ");
  read_clock(scanner, fields);
  scanner.expect(" ");
  fields.year = scanner.number(4);
  return http_timestamp(scanner, fields);
}

struct Unit {
  std::string_view suffix;
  milliseconds length;
};
constexpr Unit kUnits[] = {{"ms", milliseconds{1}},
                           {"s", std::chrono::seconds{1}},
                           {"m", std::chrono::minutes{1}},
                           {"h", std::chrono::hours{1}},
                           {"d", std::chrono::days{1}}};
constexpr milliseconds kLongestDuration = std::chrono::days{3650};

}  // namespace

Timestamp SystemClock::now() const {
  return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

Monotonic SystemClock::monotonic() const { return std::chrono::steady_clock::now(); }

std::chrono::milliseconds SystemClock::slept() const {
  timespec awake{};
  timespec all{};
  ::clock_gettime(CLOCK_MONOTONIC, &awake);
  ::clock_gettime(CLOCK_BOOTTIME, &all);
  return std::chrono::seconds{all.tv_sec - awake.tv_sec} +
         std::chrono::milliseconds{(all.tv_nsec - awake.tv_nsec) / 1'000'000};
}

std::string format_rfc3339(Timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  Scanner scanner{text};
  Fields fields;
  fields.year = scanner.number(4);
  scanner.expect("-");
  fields.month = static_cast<unsigned>(scanner.number(2));
  scanner.expect("-");
  fields.day = static_cast<unsigned>(scanner.number(2));
  const char separator = scanner.take();
  if (separator != 'T' && separator != 't' && separator != ' ') scanner.fail();
  read_clock(scanner, fields);
  const milliseconds fraction = read_fraction(scanner);
  const std::chrono::minutes ahead = read_offset(scanner);
  if (!scanner.complete() || fields.second > 59) return std::nullopt;

  const std::optional<Timestamp> local = to_timestamp(fields);
  if (!local) return std::nullopt;
  const Timestamp time = *local + fraction - ahead;
  using std::chrono::January;
  if (time < std::chrono::sys_days{std::chrono::year{1} / January / 1} ||
      time >= std::chrono::sys_days{std::chrono::year{10000} / January / 1}) {
    return std::nullopt;
  }
  return time;
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  const auto digits_end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto digits = static_cast<std::size_t>(digits_end - text.begin());
  // 12 digits: ten years in milliseconds, and no overflow when multiplied.
  if (digits == 0 || digits > 12) return std::nullopt;
  std::int64_t count = 0;
  for (const char c : text.substr(0, digits)) count = count * 10 + (c - '0');

  std::string_view suffix = text.substr(digits);
  if (suffix.empty()) suffix = "s";
  for (const Unit& unit : kUnits) {
    if (suffix != unit.suffix) continue;
    if (count > kLongestDuration / unit.length) return std::nullopt;
    return count * unit.length;
  }
  return std::nullopt;
}

std::string format_duration(milliseconds duration) {
  const Unit* largest = &kUnits[0];
  const milliseconds length = std::chrono::abs(duration);
  for (const Unit& unit : kUnits) {
    if (length >= unit.length) largest = &unit;
  }
  return fmt::format("{} {}", duration / largest->length, largest->suffix);
}

std::optional<Timestamp> parse_http_date(std::string_view text) {
  if (const auto time = parse_imf_fixdate(text)) return time;
  if (const auto time = parse_rfc850_date(text)) return time;
  return parse_asctime_date(text);
}

}  // namespace webhookd
