#pragma once

// Reads the fields of a request body. Strict: "15" is no integer, 1 is no boolean. Every reader
// notes what is wrong and goes on, so that a caller learns all faults at once.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/errors.h"
#include "shared/canonical_json.h"
#include "shared/time.h"

namespace webhookd {

// Collects what is wrong with one request.
class Faults {
 public:
  void add(Fault fault) { faults_.push_back(std::move(fault)); }
  // Behind what is there.
  void append(Faults more);
  // For a body that is a list: those of an earlier item first, each item's in the order they have.
  void sort_by_item();
  bool empty() const { return faults_.empty(); }
  // No caller is shown more.
  bool is_full() const { return faults_.size() >= kMaxFaults; }
  // Throws ValidationError when there is any.
  void check() const;

 private:
  std::vector<Fault> faults_;
};

// A field as it came: not sent, null, or a value. One that is faulty counts as not sent.
template <typename T>
struct Given {
  bool sent = false;
  std::optional<T> value;
};

enum class Presence {
  required,  // sent, and not null
  optional,  // absent, or not null
  nullable,  // absent, null or a value
};

enum class ControlCharacters { none, line_breaks_and_tabs };

struct TextRule {
  std::size_t least = 0;  // code points
  std::size_t most = 1000;
  ControlCharacters allowed = ControlCharacters::none;
};

struct IntegerRange {
  std::int64_t least;
  std::int64_t most;
};

struct NumberRange {
  double least;
  double most;
};

// True when `text` (valid UTF-8) holds a character of Unicode's class Cc that is not allowed.
bool has_control_characters(std::string_view text, ControlCharacters allowed);

// Values without a name: items of lists, values of dictionaries. Absent when a fault was noted.
std::optional<std::string> read_text(const CanonicalMember& member, const Loc& loc,
                                     const TextRule& rule, Faults& faults);
std::optional<std::int64_t> read_integer(const CanonicalMember& member, const Loc& loc,
                                         const IntegerRange& range, Faults& faults);
std::optional<Timestamp> read_time(std::string_view text, const Loc& loc, Faults& faults);

// The items of a canonical array, or the members ("name":value) of a canonical object. Views into
// `text`.
std::vector<std::string_view> canonical_items(std::string_view text);

// The fields of one object. The object must outlive it.
class Fields {
 public:
  Fields(const CanonicalObject& object, Loc loc, Faults& faults)
      : object_(object), loc_(std::move(loc)), faults_(faults) {}

  Given<std::string> text(std::string_view name, Presence presence, const TextRule& rule);
  Given<std::int64_t> integer(std::string_view name, Presence presence, const IntegerRange& range);
  Given<double> number(std::string_view name, Presence presence, const NumberRange& range);
  Given<bool> boolean(std::string_view name, Presence presence);
  // One of `expected`.
  Given<std::string> literal(std::string_view name, Presence presence,
                             const std::vector<std::string_view>& expected);
  // RFC 3339.
  Given<Timestamp> time(std::string_view name, Presence presence);
  // The items as they are; their number lies in [least, most].
  Given<std::vector<CanonicalMember>> list(std::string_view name, Presence presence,
                                           std::size_t least, std::size_t most);
  // The members of an object, at most `most`.
  Given<CanonicalObject> dictionary(std::string_view name, Presence presence, std::size_t most);
  // The members of an object with fields of its own, for a Fields over them.
  Given<CanonicalObject> model(std::string_view name, Presence presence);
  // Any object, unopened: its canonical text.
  Given<std::string> object_text(std::string_view name, Presence presence);

  // A fault of the caller's own finding about a field that was sent.
  void refuse(std::string_view name, std::string_view why);
  // extra_forbidden for every member that was not asked for. Call last.
  void refuse_unknown();

  Loc loc_of(std::string_view name) const { return loc_ / std::string(name); }
  const CanonicalMember* member(std::string_view name) const;

 private:
  // The member when it has a value to look at; notes a missing one, sets `sent`.
  const CanonicalMember* open(std::string_view name, Presence presence, fault::Type type,
                              CanonicalMember::Kind kind, bool& sent);

  const CanonicalObject& object_;
  Loc loc_;
  Faults& faults_;
  std::vector<std::string_view> known_;
};

}  // namespace webhookd
