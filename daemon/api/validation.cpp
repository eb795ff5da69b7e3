#include "api/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "shared/encoding.h"

namespace webhookd {
namespace {

using Kind = CanonicalMember::Kind;

std::string bound_text(double bound) { return fmt::format("{}", bound); }

struct Number {
  std::int64_t value = 0;
  bool fractional = false;
};

// An integer too large for 64 bits becomes the nearest one that fits: every range is narrower.
Number integer_of(const std::string& text) {
  Number number;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number.value);
  if (error == std::errc{} && stop == end) return number;
  const double value = std::strtod(text.c_str(), nullptr);
  if (value != std::trunc(value)) return {0, true};
  constexpr double kLimit = 9.2e18;
  number.value = static_cast<std::int64_t>(std::clamp(value, -kLimit, kLimit));
  return number;
}

}  // namespace

void Faults::append(Faults more) {
  for (Fault& fault : more.faults_) faults_.push_back(std::move(fault));
}

void Faults::sort_by_item() {
  const auto item_of = [](const Fault& fault) -> std::int64_t {
    if (fault.loc.size() < 2) return -1;
    const auto* const item = std::get_if<std::int64_t>(&fault.loc[1]);
    return item == nullptr ? -1 : *item;
  };
  std::ranges::stable_sort(faults_, {}, item_of);
}

void Faults::check() const {
  if (!faults_.empty()) throw ValidationError(faults_);
}

bool has_control_characters(std::string_view text, ControlCharacters allowed) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) {
      const bool harmless = byte == '\n' || byte == '\r' || byte == '\t';
      if (!harmless || allowed == ControlCharacters::none) return true;
    }
    // U+0080...U+009F
    if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      return true;
    }
  }
  return false;
}

std::optional<std::string> read_text(const CanonicalMember& member, const Loc& loc,
                                     const TextRule& rule, Faults& faults) {
  if (member.kind != Kind::string) {
    faults.add(fault::wrong_type(fault::Type::string, loc, member.text));
    return std::nullopt;
  }
  const std::size_t length = utf8_length(member.string);
  if (length < rule.least) {
    faults.add(fault::string_too_short(loc, member.text, rule.least));
    return std::nullopt;
  }
  if (length > rule.most) {
    faults.add(fault::string_too_long(loc, member.text, rule.most));
    return std::nullopt;
  }
  if (has_control_characters(member.string, rule.allowed)) {
    faults.add(fault::value_error(loc, member.text, "control characters are not allowed"));
    return std::nullopt;
  }
  return member.string;
}

std::optional<std::int64_t> read_integer(const CanonicalMember& member, const Loc& loc,
                                         const IntegerRange& range, Faults& faults) {
  if (member.kind != Kind::number) {
    faults.add(fault::wrong_type(fault::Type::integer, loc, member.text));
    return std::nullopt;
  }
  const Number number = integer_of(member.text);
  if (number.fractional) {
    faults.add(fault::int_from_float(loc, member.text));
  } else if (number.value < range.least) {
    faults.add(fault::greater_than_equal(loc, member.text, std::to_string(range.least)));
  } else if (number.value > range.most) {
    faults.add(fault::less_than_equal(loc, member.text, std::to_string(range.most)));
  } else {
    return number.value;
  }
  return std::nullopt;
}

std::optional<Timestamp> read_time(std::string_view text, const Loc& loc, Faults& faults) {
  const auto time = parse_rfc3339(text);
  if (!time) {
    faults.add(fault::datetime_parsing(
        loc, json_quoted(text), "an RFC 3339 time with an offset is needed: 2026-11-23T09:00:00Z"));
  }
  return time;
}

// Canonical text has no white space.
std::vector<std::string_view> canonical_items(std::string_view text) {
  std::vector<std::string_view> items;
  int depth = 0;
  bool in_string = false;
  std::size_t start = 1;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 0) {
      items.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  if (text.size() > 2) items.push_back(text.substr(start, text.size() - 1 - start));
  return items;
}

const CanonicalMember* Fields::member(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() ? nullptr : &found->second;
}

const CanonicalMember* Fields::open(std::string_view name, Presence presence, fault::Type type,
                                    Kind kind, bool& sent) {
  known_.push_back(name);
  const CanonicalMember* found = member(name);
  if (found == nullptr) {
    if (presence == Presence::required) {
      faults_.add(fault::missing(loc_of(name), canonical_text(object_)));
    }
    return nullptr;
  }
  if (found->kind == Kind::null && presence == Presence::nullable) {
    sent = true;
    return nullptr;
  }
  if (found->kind != kind) {
    faults_.add(fault::wrong_type(type, loc_of(name), found->text));
    return nullptr;
  }
  return found;
}

Given<std::string> Fields::text(std::string_view name, Presence presence, const TextRule& rule) {
  Given<std::string> given;
  if (const auto* found = open(name, presence, fault::Type::string, Kind::string, given.sent)) {
    given.value = read_text(*found, loc_of(name), rule, faults_);
    given.sent = given.value.has_value();
  }
  return given;
}

Given<std::int64_t> Fields::integer(std::string_view name, Presence presence,
                                    const IntegerRange& range) {
  Given<std::int64_t> given;
  if (const auto* found = open(name, presence, fault::Type::integer, Kind::number, given.sent)) {
    given.value = read_integer(*found, loc_of(name), range, faults_);
    given.sent = given.value.has_value();
  }
  return given;
}

Given<double> Fields::number(std::string_view name, Presence presence, const NumberRange& range) {
  Given<double> given;
  const auto* found = open(name, presence, fault::Type::number, Kind::number, given.sent);
  if (found == nullptr) return given;
  const double value = std::strtod(found->text.c_str(), nullptr);
  if (value < range.least) {
    faults_.add(fault::greater_than_equal(loc_of(name), found->text, bound_text(range.least)));
  } else if (value > range.most) {
    faults_.add(fault::less_than_equal(loc_of(name), found->text, bound_text(range.most)));
  } else {
    given = {true, value};
  }
  return given;
}

Given<bool> Fields::boolean(std::string_view name, Presence presence) {
  Given<bool> given;
  if (const auto* found = open(name, presence, fault::Type::boolean, Kind::boolean, given.sent)) {
    given = {true, found->text == "true"};
  }
  return given;
}

Given<std::string> Fields::literal(std::string_view name, Presence presence,
                                   const std::vector<std::string_view>& expected) {
  Given<std::string> given;
  known_.push_back(name);
  const CanonicalMember* found = member(name);
  if (found == nullptr) {
    if (presence == Presence::required) {
      faults_.add(fault::missing(loc_of(name), canonical_text(object_)));
    }
    return given;
  }
  if (found->kind == Kind::null && presence == Presence::nullable) {
    given.sent = true;
    return given;
  }
  // A value of another type is simply none of them, as Pydantic has it.
  if (found->kind != Kind::string ||
      std::find(expected.begin(), expected.end(), found->string) == expected.end()) {
    faults_.add(fault::literal_error(loc_of(name), found->text, expected));
    return given;
  }
  return {true, found->string};
}

Given<Timestamp> Fields::time(std::string_view name, Presence presence) {
  Given<Timestamp> given;
  if (const auto* found = open(name, presence, fault::Type::string, Kind::string, given.sent)) {
    given.value = read_time(found->string, loc_of(name), faults_);
    given.sent = given.value.has_value();
  }
  return given;
}

Given<std::vector<CanonicalMember>> Fields::list(std::string_view name, Presence presence,
                                                 std::size_t least, std::size_t most) {
  Given<std::vector<CanonicalMember>> given;
  const auto* found = open(name, presence, fault::Type::list, Kind::array, given.sent);
  if (found == nullptr) return given;
  const std::vector<std::string_view> items = canonical_items(found->text);
  if (items.size() < least) {
    faults_.add(fault::list_too_short(loc_of(name), found->text, least, items.size()));
    return given;
  }
  if (items.size() > most) {
    faults_.add(fault::list_too_long(loc_of(name), found->text, most, items.size()));
    return given;
  }
  std::vector<CanonicalMember> members;
  members.reserve(items.size());
  for (const std::string_view item : items) {
    members.push_back(std::get<CanonicalMember>(canonicalize(item)));
  }
  return {true, std::move(members)};
}

Given<CanonicalObject> Fields::dictionary(std::string_view name, Presence presence,
                                          std::size_t most) {
  Given<CanonicalObject> given;
  const auto* found = open(name, presence, fault::Type::dictionary, Kind::object, given.sent);
  if (found == nullptr) return given;
  auto members = std::get<CanonicalObject>(canonicalize_object(found->text));
  if (members.size() > most) {
    faults_.add(fault::dictionary_too_long(loc_of(name), found->text, most, members.size()));
    return given;
  }
  return {true, std::move(members)};
}

Given<CanonicalObject> Fields::model(std::string_view name, Presence presence) {
  Given<CanonicalObject> given;
  if (const auto* found = open(name, presence, fault::Type::model, Kind::object, given.sent)) {
    given = {true, std::get<CanonicalObject>(canonicalize_object(found->text))};
  }
  return given;
}

Given<std::string> Fields::object_text(std::string_view name, Presence presence) {
  Given<std::string> given;
  if (const auto* found = open(name, presence, fault::Type::dictionary, Kind::object, given.sent)) {
    given = {true, found->text};
  }
  return given;
}

void Fields::refuse(std::string_view name, std::string_view why) {
  known_.push_back(name);
  if (const CanonicalMember* found = member(name)) {
    faults_.add(fault::value_error(loc_of(name), found->text, why));
  }
}

void Fields::refuse_unknown() {
  for (const auto& [name, found] : object_) {
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      faults_.add(fault::extra_forbidden(loc_of(name), found.text));
    }
  }
}

}  // namespace webhookd
