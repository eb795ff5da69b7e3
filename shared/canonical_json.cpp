#include "shared/canonical_json.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "shared/json_position.h"

namespace webhookd {

namespace {

constexpr std::string_view kEscapeDigits = "0123456789abcdef";

// What stands for itself in a canonical string.
bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

void append_unit(std::string& out, std::uint32_t unit) {
  out += "\\u";
  out += kEscapeDigits[unit >> 12U & 0xFU];
  out += kEscapeDigits[unit >> 8U & 0xFU];
  out += kEscapeDigits[unit >> 4U & 0xFU];
  out += kEscapeDigits[unit & 0xFU];
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      append_unit(out, static_cast<std::uint8_t>(c));
  }
}

// Escapes the character of several bytes that `text` has at `at`; returns its length.
std::size_t append_non_ascii(std::string& out, std::string_view text, std::size_t at) {
  const auto lead = static_cast<std::uint8_t>(text[at]);
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t code = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length && at + i < text.size(); ++i) {
    code = code << 6U | (static_cast<std::uint8_t>(text[at + i]) & 0x3FU);
  }
  if (code < 0x10000) {
    append_unit(out, code);
  } else {
    append_unit(out, 0xD800 + ((code - 0x10000) >> 10U & 0x3FFU));
    append_unit(out, 0xDC00 + ((code - 0x10000) & 0x3FFU));
  }
  return length;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_plain(text[end])) ++end;
    out.append(text, at, end - at);
    if (end == text.size()) break;
    if (static_cast<std::uint8_t>(text[end]) < 0x80) {
      append_escape(out, text[end]);
      at = end + 1;
    } else {
      at = end + append_non_ascii(out, text, end);
    }
  }
  out += '"';
}

// Canonical text shows its kind by its first character.
CanonicalMember::Kind kind_of(std::string_view text) {
  switch (text.front()) {
    case 'n':
      return CanonicalMember::Kind::null;
    case 't':
    case 'f':
      return CanonicalMember::Kind::boolean;
    case '"':
      return CanonicalMember::Kind::string;
    case '[':
      return CanonicalMember::Kind::array;
    case '{':
      return CanonicalMember::Kind::object;
    default:
      return CanonicalMember::Kind::number;
  }
}

// The parser's own words about a fault, without what it quotes from the text.
std::string reason_in(std::string_view message) {
  constexpr std::string_view kStart = " - ";
  constexpr std::string_view kQuotation = "; last read: ";
  const std::size_t start = message.find(kStart);
  if (start == std::string_view::npos) return "not valid JSON";
  message.remove_prefix(start + kStart.size());
  return std::string(message.substr(0, message.find(kQuotation)));
}

enum class Root { whole, opened };

// Takes the parser's events and writes the canonical text from the inside out: an object's
// members are appended as they come and put in order when it ends, if they came in another.
class CanonicalWriter {
 public:
  CanonicalWriter(std::string_view text, Root root) : text_(text), root_(root) {
    out_.reserve(text.size() + text.size() / 8);
  }

  // -- what the parser calls; false stops it

  bool null() { return scalar("null"); }
  bool boolean(bool value) { return scalar(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) {
    // The parser has no other way to say "-0".
    return scalar(value == 0 ? "-0" : std::to_string(value));
  }
  bool number_unsigned(std::uint64_t value) { return scalar(std::to_string(value)); }
  bool number_float(double /*value*/, const std::string& digits) { return scalar(digits); }
  bool string(std::string& value) {
    begin_value();
    append_string(out_, value);
    if (open_.size() <= 1) last_string_.swap(value);
    return true;
  }
  bool binary(const std::vector<std::uint8_t>& /*value*/) { return false; }
  bool start_object(std::size_t /*size*/) { return open(Container::Kind::object); }
  bool start_array(std::size_t /*size*/) { return open(Container::Kind::array); }
  bool key(const std::string& name);
  bool end_object();
  bool end_array() {
    out_ += ']';
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t read, const std::string& token,
                   const nlohmann::json::exception& error);

  // -- what came out

  bool is_object() const { return kind_ == CanonicalMember::Kind::object; }
  CanonicalMember take_value() {
    CanonicalMember member{kind_of(out_), std::move(out_), {}};
    if (member.kind == CanonicalMember::Kind::string) member.string = std::move(last_string_);
    return member;
  }
  CanonicalObject take_members() { return std::move(members_); }
  JsonFault take_fault() { return std::move(fault_); }

 private:
  struct Container {
    enum class Kind { array, object };
    Kind kind = Kind::array;
    std::size_t begin = 0;        // of its first value or member in out_
    std::size_t first_entry = 0;  // objects only: its members are entries_ from here on
    std::size_t first_key = 0;    // and their names keys_ from here on
    bool in_order = true;
    bool empty = true;
  };
  // A member: its name in keys_, its text ("name":value) in out_.
  struct Entry {
    std::size_t key_begin = 0;
    std::size_t key_size = 0;
    std::size_t begin = 0;
    std::size_t value = 0;
    std::size_t end = 0;
  };

  bool scalar(std::string_view text) {
    begin_value();
    out_ += text;
    return true;
  }
  bool open(Container::Kind kind);
  void begin_value();
  void end_member();
  void sort_members(const Container& object);
  std::string_view key_of(const Entry& entry) const {
    return std::string_view(keys_).substr(entry.key_begin, entry.key_size);
  }

  std::string_view text_;
  Root root_;
  std::string out_;
  std::string keys_;
  std::string scratch_;
  std::vector<Entry> entries_;
  std::vector<Container> open_;
  std::string last_string_;  // of the latest string that is the root or a member of it
  CanonicalMember::Kind kind_ = CanonicalMember::Kind::null;  // of the root
  CanonicalObject members_;
  JsonFault fault_;
};

bool CanonicalWriter::open(Container::Kind kind) {
  if (open_.size() == static_cast<std::size_t>(kMaxJsonDepth)) {
    fault_ = {JsonFault::Kind::too_deep, json_depth_position(text_, kMaxJsonDepth),
              "nested deeper than " + std::to_string(kMaxJsonDepth) + " levels"};
    return false;
  }
  if (open_.empty() && kind == Container::Kind::object) kind_ = CanonicalMember::Kind::object;
  begin_value();
  out_ += kind == Container::Kind::array ? '[' : '{';
  open_.push_back({kind, out_.size(), entries_.size(), keys_.size()});
  return true;
}

void CanonicalWriter::begin_value() {
  if (open_.empty() || open_.back().kind == Container::Kind::object) return;
  if (!open_.back().empty) out_ += ',';
  open_.back().empty = false;
}

bool CanonicalWriter::key(const std::string& name) {
  Container& object = open_.back();
  if (!object.empty) {
    end_member();
    if (key_of(entries_.back()) >= name) object.in_order = false;
    out_ += ',';
  }
  object.empty = false;
  Entry entry{keys_.size(), name.size(), out_.size(), 0, 0};
  keys_ += name;
  append_string(out_, name);
  out_ += ':';
  entry.value = out_.size();
  entries_.push_back(entry);
  return true;
}

void CanonicalWriter::end_member() {
  Entry& entry = entries_.back();
  entry.end = out_.size();
  if (open_.size() > 1 || root_ == Root::whole) return;
  CanonicalMember member;
  member.text = out_.substr(entry.value);
  member.kind = kind_of(member.text);
  if (member.kind == CanonicalMember::Kind::string) member.string = last_string_;
  members_.insert_or_assign(std::string(key_of(entry)), std::move(member));
}

bool CanonicalWriter::end_object() {
  const Container object = open_.back();
  if (!object.empty) end_member();
  const bool taken_apart = open_.size() == 1 && root_ == Root::opened;
  if (!object.in_order && !taken_apart) sort_members(object);
  out_ += '}';
  entries_.resize(object.first_entry);
  keys_.resize(object.first_key);
  open_.pop_back();
  return true;
}

void CanonicalWriter::sort_members(const Container& object) {
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(object.first_entry);
  // UTF-8 sorts by bytes as it does by code points, which is Python's order.
  std::stable_sort(first, entries_.end(), [this](const Entry& left, const Entry& right) {
    return key_of(left) < key_of(right);
  });
  scratch_.clear();
  for (auto entry = first; entry != entries_.end(); ++entry) {
    const auto next = entry + 1;
    if (next != entries_.end() && key_of(*entry) == key_of(*next)) continue;
    if (!scratch_.empty()) scratch_ += ',';
    scratch_.append(out_, entry->begin, entry->end - entry->begin);
  }
  out_.replace(object.begin, std::string::npos, scratch_);
}

bool CanonicalWriter::parse_error(std::size_t read, const std::string& /*token*/,
                                  const nlohmann::json::exception& error) {
  constexpr int kNumberOverflow = 406;
  const std::size_t at = json_fault_position(text_, read);
  if (error.id == kNumberOverflow) {
    fault_ = {JsonFault::Kind::number_range, at, "number outside the range of a double"};
  } else {
    fault_ = {JsonFault::Kind::syntax, at, reason_in(error.what())};
  }
  return false;
}

// False when the writer has a fault to tell.
bool parse(std::string_view text, CanonicalWriter& writer) {
  return nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &writer,
                                   nlohmann::json::input_format_t::json, true);
}

// To the parser a NUL byte is the end of the text, whatever follows.
std::optional<JsonFault> find_nul(std::string_view text) {
  const std::size_t at = text.find('\0');
  if (at == std::string_view::npos) return std::nullopt;
  return JsonFault{JsonFault::Kind::syntax, at, "NUL byte"};
}

}  // namespace

std::variant<CanonicalMember, JsonFault> canonicalize(std::string_view text) {
  if (auto fault = find_nul(text)) return *std::move(fault);
  CanonicalWriter writer{text, Root::whole};
  if (!parse(text, writer)) return writer.take_fault();
  return writer.take_value();
}

std::variant<CanonicalObject, CanonicalMember, JsonFault> canonicalize_object(
    std::string_view text) {
  if (auto fault = find_nul(text)) return *std::move(fault);
  CanonicalWriter writer{text, Root::opened};
  if (!parse(text, writer)) return writer.take_fault();
  if (writer.is_object()) return writer.take_members();
  return writer.take_value();
}

void append_canonical_string(std::string& out, std::string_view text) { append_string(out, text); }

std::string canonical_string(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_string(out, text);
  return out;
}

std::string canonical_text(const CanonicalObject& members) {
  std::string out = "{";
  for (const auto& [name, member] : members) {
    if (out.size() > 1) out += ',';
    append_string(out, name);
    out += ':';
    out += member.text;
  }
  out += '}';
  return out;
}

}  // namespace webhookd
