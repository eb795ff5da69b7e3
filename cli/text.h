#pragma once

// Text from outside on its way to a person: response bodies, names and URLs are written by
// others and may hold what steers a terminal.

#include <string>
#include <string_view>

namespace webhookd {

enum class LineBreaks { escaped, kept };

// `text` without anything that a terminal acts on: control characters (C0, DEL, C1), bidirectional
// overrides and invisible separators become "\n", "\x1b" or "\u{202e}", bytes that are no UTF-8
// "\xff". With `kept`, '\n' and '\t' stay.
std::string safe_text(std::string_view text, LineBreaks breaks = LineBreaks::escaped);

// JSON text with the same characters as \uXXXX: the same value, fit for a terminal.
std::string safe_json(std::string_view json);

// One field of a TSV line: safe_text with the backslash itself doubled, so that it can be undone.
std::string tsv_field(std::string_view text);

// Columns that safe text takes on a terminal: wide characters 2, combining ones 0. Does not depend
// on the process's locale.
int display_width(std::string_view text);

// Safe text cut to at most `width` (>= 1) columns, with "…" in place of what is left out.
std::string shortened(std::string_view text, int width);

// In single quotes for a POSIX shell.
std::string shell_quoted(std::string_view text);

}  // namespace webhookd
