#include "cli/text.h"

#include <fmt/format.h>
#include <locale.h>
#include <wchar.h>

#include <memory>
#include <type_traits>

namespace webhookd {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

constexpr int kContinuation = 0x80;

int byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : -1;
}

// RFC 3629.
Character character_at(std::string_view text, std::size_t at) {
  const int first = byte_at(text, at);
  if (first < 0x80) return {static_cast<char32_t>(first), 1, first >= 0};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return {};
  auto code = static_cast<char32_t>(first & (0x7f >> length));
  for (std::size_t i = 1; i < length; ++i) {
    const int next = byte_at(text, at + i);
    if (next < 0 || (next & 0xc0) != kContinuation) return {};
    code = (code << 6) | static_cast<char32_t>(next & 0x3f);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kSmallest[length] || surrogate || code > 0x10ffff) return {};
  return {code, length, true};
}

bool steers_a_terminal(char32_t code) {
  const auto within = [code](char32_t low, char32_t high) { return code >= low && code <= high; };
  return code < 0x20 || within(0x7f, 0x9f) || code == 0x61c || within(0x200e, 0x200f) ||
         within(0x2028, 0x202e) || within(0x2066, 0x2069) || within(0xfff9, 0xfffb) ||
         within(0xe0000, 0xe007f);
}

std::string escaped(char32_t code) {
  switch (code) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    default:
      break;
  }
  const auto number = static_cast<unsigned>(code);
  return code < 0x80 ? fmt::format("\\x{:02x}", number) : fmt::format("\\u{{{:x}}}", number);
}

// wcwidth() asks the thread's locale, and the user's may be "C". glibc has C.UTF-8 built in.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~Utf8Locale() {
    if (locale_ != nullptr) freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

  int width(char32_t code) const {
    if (code < 0x7f) return 1;
    if (locale_ == nullptr) return 1;
    const locale_t before = uselocale(locale_);
    const int width = wcwidth(static_cast<wchar_t>(code));
    uselocale(before);
    return width < 0 ? 1 : width;
  }

 private:
  locale_t locale_;
};

int character_width(char32_t code) {
  static const Utf8Locale locale;
  return locale.width(code);
}

std::string escaped_json(char32_t code) {
  if (code < 0x10000) return fmt::format("\\u{:04x}", static_cast<unsigned>(code));
  const auto offset = static_cast<unsigned>(code) - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (offset >> 10), 0xdc00 + (offset & 0x3ff));
}

}  // namespace

std::string safe_text(std::string_view text, LineBreaks breaks) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const bool layout = breaks == LineBreaks::kept && (c.code == '\n' || c.code == '\t');
    if (!c.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(byte_at(text, at)));
    } else if (steers_a_terminal(c.code) && !layout) {
      out += escaped(c.code);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return out;
}

std::string safe_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (std::size_t at = 0; at < json.size();) {
    const Character c = character_at(json, at);
    const bool layout = c.code == '\n' || c.code == '\t' || c.code == '\r';
    if (!c.valid) {
      out += "\\ufffd";
    } else if (steers_a_terminal(c.code) && !layout) {
      out += escaped_json(c.code);
    } else {
      out += json.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return out;
}

std::string tsv_field(std::string_view text) {
  std::string doubled;
  doubled.reserve(text.size());
  for (const char c : text) {
    if (c == '\\') doubled += '\\';
    doubled += c;
  }
  return safe_text(doubled);
}

int display_width(std::string_view text) {
  int width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    width += c.valid ? character_width(c.code) : 1;
    at += c.bytes;
  }
  return width;
}

std::string shortened(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  std::string out;
  int used = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const int more = c.valid ? character_width(c.code) : 1;
    if (used + more > width - 1) break;
    out += text.substr(at, c.bytes);
    used += more;
    at += c.bytes;
  }
  return out + "…";
}

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace webhookd
