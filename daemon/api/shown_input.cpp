#include "api/shown_input.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "api/message_syntax.h"
#include "shared/ascii.h"
#include "shared/model.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxInput = 1024;

// What becomes of a value.
enum class Masking {
  none,
  strings,  // strings, and whatever is in an object: headers, or what was taken for them
  leaves,   // all but null
  whole,    // even its structure
};

// What a member's name asks for. Misspelled in case, it is refused, and still a secret.
Masking masking_of(std::string_view name) {
  if (equal_ignoring_case(name, "secret")) return Masking::whole;
  if (equal_ignoring_case(name, "headers")) return Masking::strings;
  return Masking::none;
}

Masking masking_at(const Loc& loc) {
  for (std::size_t i = 0; i < loc.size(); ++i) {
    const auto* name = std::get_if<std::string>(&loc[i]);
    const Masking masking = name == nullptr ? Masking::none : masking_of(*name);
    if (masking == Masking::strings && i + 1 < loc.size()) return Masking::whole;
    if (masking != Masking::none) return masking;
  }
  return Masking::none;
}

// A document in a string, a form, a query: whatever assigns a secret. And a secret by its form.
bool holds_secret(std::string_view text) {
  const std::string lower = lower_case(text);
  const auto has = [&](std::string_view word) { return lower.find(word) != std::string::npos; };
  return has("whsec_") ||
         ((has("secret") || has("headers")) && lower.find_first_of(":=") != std::string::npos);
}

// Where the userinfo of a URL ends (RFC 3986 section 3.2.1), its host beginning at `begin`.
std::size_t userinfo_end(std::string_view text, std::size_t begin) {
  const std::size_t end = std::min(text.find_first_of("/?#\\", begin), text.size());
  const std::string_view authority = text.substr(begin, end - begin);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) return begin + at;
  // A slash in a password ends what looks like the host; then what looks like a port is none.
  const std::size_t colon = authority.rfind(':');
  const bool has_port = colon == std::string_view::npos ||
                        std::all_of(authority.begin() + static_cast<std::ptrdiff_t>(colon) + 1,
                                    authority.end(), is_digit);
  return has_port ? std::string_view::npos : text.rfind('@');
}

// Also where "//" was forgotten.
std::string without_userinfo(const std::string& text) {
  const std::size_t slashes = text.find("//");
  const bool has_slashes = slashes != std::string::npos;
  const std::size_t begin = has_slashes ? slashes + 2 : 0;
  const std::size_t at = userinfo_end(text, begin);
  if (at == std::string::npos || at < begin) return text;
  if (!has_slashes && text.find(':') > at) return text;  // an e-mail address
  return text.substr(0, begin) + std::string(kMasked) + text.substr(at);
}

std::string shown_text(const std::string& text) {
  return holds_secret(text) ? std::string(kMasked) : without_userinfo(text);
}

// Takes the parser's events and writes the text again, masked; stops when it has enough.
class MaskingWriter {
 public:
  explicit MaskingWriter(Masking root) : root_(root) {}

  // -- what the parser calls; false stops it

  bool null() { return masking() == Masking::whole ? masked() : plain("null"); }
  bool boolean(bool value) { return scalar(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) {
    // The parser has no other way to say "-0".
    return scalar(value == 0 ? "-0" : std::to_string(value));
  }
  bool number_unsigned(std::uint64_t value) { return scalar(std::to_string(value)); }
  bool number_float(double /*value*/, const std::string& digits) { return scalar(digits); }
  bool string(const std::string& value) {
    if (masking() != Masking::none) return masked();
    std::string text = shown_text(value);
    const bool goes_on = plain(json_quoted(text));
    if (open_.empty()) only_string_ = std::move(text);
    return goes_on;
  }
  bool binary(const std::vector<std::uint8_t>& /*value*/) { return false; }
  bool start_object(std::size_t /*size*/) { return start(Container::Kind::object); }
  bool start_array(std::size_t /*size*/) { return start(Container::Kind::array); }
  bool key(const std::string& name);
  bool end_object() { return end('}'); }
  bool end_array() { return end(']'); }
  bool parse_error(std::size_t /*read*/, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) {
    return false;
  }

  // -- what came out

  std::string take();

 private:
  struct Container {
    enum class Kind { array, object };
    Kind kind = Kind::array;
    Masking inside = Masking::none;  // of its items, or of the member whose name came last
    Masking members = Masking::none;
    bool empty = true;
  };

  Masking masking() const { return open_.empty() ? root_ : open_.back().inside; }
  bool scalar(std::string_view text) {
    const bool hidden = masking() == Masking::leaves || masking() == Masking::whole;
    return hidden ? masked() : plain(text);
  }
  bool masked() { return plain(json_quoted(kMasked)); }
  bool plain(std::string_view text);
  bool start(Container::Kind kind);
  bool end(char bracket);
  void begin_value();

  Masking root_;
  std::string out_;
  std::vector<Container> open_;
  std::size_t hidden_depth_ = 0;  // of containers whose structure is masked too
  std::optional<std::string> only_string_;
};

void MaskingWriter::begin_value() {
  if (open_.empty() || open_.back().kind == Container::Kind::object) return;
  if (!open_.back().empty) out_ += ',';
  open_.back().empty = false;
}

bool MaskingWriter::plain(std::string_view text) {
  if (hidden_depth_ > 0) return true;
  begin_value();
  out_ += text;
  return out_.size() <= kMaxInput;
}

bool MaskingWriter::key(const std::string& name) {
  if (hidden_depth_ > 0) return true;
  Container& object = open_.back();
  if (!object.empty) out_ += ',';
  object.empty = false;
  object.inside = object.members == Masking::none ? masking_of(name) : object.members;
  out_ += json_quoted(name) + ':';
  return out_.size() <= kMaxInput;
}

bool MaskingWriter::start(Container::Kind kind) {
  if (hidden_depth_ > 0 || masking() == Masking::whole) {
    masked();
    ++hidden_depth_;
    return true;
  }
  const bool is_object = kind == Container::Kind::object;
  const Masking inside = is_object && masking() == Masking::strings ? Masking::leaves : masking();
  plain(is_object ? "{" : "[");
  open_.push_back({kind, inside, inside, true});
  return true;
}

bool MaskingWriter::end(char bracket) {
  if (hidden_depth_ > 0) {
    --hidden_depth_;
    return true;
  }
  out_ += bracket;
  open_.pop_back();
  return true;
}

std::string MaskingWriter::take() {
  if (out_.size() <= kMaxInput) return std::move(out_);
  std::string kept = only_string_ ? std::move(*only_string_) : std::move(out_);
  if (kept.size() > kMaxInput) {
    std::size_t end = kMaxInput;
    while (end > 0 && (static_cast<unsigned char>(kept[end]) & 0xC0U) == 0x80U) --end;
    kept.resize(end);
  }
  return json_quoted(kept);
}

}  // namespace

std::string shown_input(std::string_view input, const Loc& loc) {
  MaskingWriter writer(masking_at(loc));
  nlohmann::json::sax_parse(input.data(), input.data() + input.size(), &writer);
  return writer.take();
}

}  // namespace webhookd
