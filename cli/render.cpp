// Tables and cards as text.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cli/output.h"
#include "cli/text.h"

namespace webhookd {
namespace {

constexpr int kGap = 2;  // columns between columns
// An id and what tells it from others: more than that can be left out, less says nothing.
constexpr std::size_t kFewestColumns = 2;

using Row = std::vector<std::string>;

std::string title_of(const Column& column) {
  if (!column.title.empty()) return column.title;
  std::string name = column.name;
  for (char& c : name) {
    if (c == '_') c = ' ';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

// The unit stands behind the value: "dns_ms" is "dns".
std::string label_of(std::string name) {
  if (name.ends_with("_ms")) name.resize(name.size() - 3);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string tsv_line(const Row& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += '\t';
    line += tsv_field(fields[i]);
  }
  return line + "\n";
}

std::string render_tsv(const Table& table, const View& view) {
  std::string out;
  Row names;
  for (const Column& column : table.columns) names.push_back(column.name);
  if (view.header == HeaderLine::shown) out += tsv_line(names);
  for (const auto& row : table.rows) {
    Row fields;
    for (const Cell& cell : row) fields.push_back(cell.text);
    out += tsv_line(fields);
  }
  return out;
}

std::size_t shown_columns(const Table& table, const View& view) {
  if (view.format == Format::wide) return table.columns.size();
  return static_cast<std::size_t>(
      std::count_if(table.columns.begin(), table.columns.end(),
                    [](const Column& column) { return column.shown == Shown::always; }));
}

std::vector<int> natural_widths(const Table& table, const View& view, std::size_t count) {
  std::vector<int> widths(count, 1);
  for (std::size_t i = 0; i < count; ++i) {
    if (view.header == HeaderLine::shown) {
      widths[i] = display_width(title_of(table.columns[i]));
    }
    for (const auto& row : table.rows) {
      widths[i] = std::max(widths[i], display_width(safe_text(row[i].text)));
    }
  }
  return widths;
}

int line_width(const std::vector<int>& widths) {
  return std::accumulate(widths.begin(), widths.end(), 0) +
         kGap * (static_cast<int>(widths.size()) - 1);
}

// Takes from the widest column that may shrink until the line fits, or nothing is left to take.
// True: it fits.
bool shrink(std::vector<int>& widths, const Table& table, int line) {
  for (int over = line_width(widths) - line; over > 0; --over) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const Column& column = table.columns[i];
      if (column.fit != Fit::shrinks || widths[i] <= column.least) continue;
      if (widest == widths.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == widths.size()) return false;
    --widths[widest];
  }
  return true;
}

// The widths of those columns, from the left, that a line has room for.
std::vector<int> fitted(const std::vector<int>& natural, const Table& table, int line) {
  for (std::size_t count = natural.size();; --count) {
    std::vector<int> widths(natural.begin(), natural.begin() + static_cast<std::ptrdiff_t>(count));
    if (shrink(widths, table, line) || count <= kFewestColumns) return widths;
  }
}

// `last`: nothing follows, so that no blanks are needed.
std::string padded(const std::string& shown, std::string_view safe, int width, Align align,
                   bool last) {
  const int blank = std::max(0, width - display_width(safe));
  const std::string blanks(static_cast<std::size_t>(blank), ' ');
  if (align == Align::right) return blanks + shown;
  return last ? shown : shown + blanks;
}

std::string table_line(const Table& table, const std::vector<int>& widths, const View& view,
                       const std::vector<Cell>& cells) {
  std::string line;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string safe = shortened(safe_text(cells[i].text), widths[i]);
    line += padded(toned(safe, cells[i].tone, view), safe, widths[i], table.columns[i].align,
                   i + 1 == widths.size());
    if (i + 1 < widths.size()) line += std::string(kGap, ' ');
  }
  return line + "\n";
}

}  // namespace

std::string toned(std::string_view text, Tone tone, const View& view) {
  if (view.color == Color::off || text.empty()) return std::string(text);
  std::string_view code;
  switch (tone) {
    case Tone::plain:
      return std::string(text);
    case Tone::good:
      code = "32";
      break;
    case Tone::waiting:
      code = "33";
      break;
    case Tone::bad:
      code = "31";
      break;
    case Tone::faint:
      code = "2";
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string render(const Table& table, const View& view) {
  if (view.format == Format::tsv) return render_tsv(table, view);
  if (table.rows.empty()) return "";
  const std::size_t count = shown_columns(table, view);
  std::vector<int> widths = natural_widths(table, view, count);
  if (view.width > 0) widths = fitted(widths, table, view.width);
  std::string out;
  if (view.header == HeaderLine::shown) {
    std::vector<Cell> titles;
    for (const Column& column : table.columns) {
      titles.push_back({title_of(column), Tone::faint});
    }
    out += table_line(table, widths, view, titles);
  }
  for (const auto& row : table.rows) out += table_line(table, widths, view, row);
  return out;
}

std::string render(const Card& card, const View& view) {
  std::string out;
  if (view.format == Format::tsv) {
    if (view.header == HeaderLine::shown) out += tsv_line({"field", "value"});
    for (const auto& [name, cell] : card.fields) out += tsv_line({name, cell.text});
    return out;
  }
  int widest = 0;
  for (const auto& [name, cell] : card.fields) {
    widest = std::max(widest, display_width(safe_text(label_of(name))));
  }
  for (const auto& [name, cell] : card.fields) {
    const std::string label = safe_text(label_of(name));
    const int blanks = widest - display_width(label) + kGap;
    out += fmt::format("{}{:{}}{}\n", toned(label + ":", Tone::faint, view), "", blanks,
                       toned(safe_text(cell.text), cell.tone, view));
  }
  return out;
}

}  // namespace webhookd
