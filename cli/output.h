#pragma once

// What the program writes: data to stdout, everything else to stderr.

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/errors.h"
#include "shared/model_json.h"
#include "shared/time.h"

namespace webhookd {

enum class Format { table, wide, json, jsonl, tsv };
enum class Times { relative, rfc3339 };
enum class Color { off, on };
enum class HeaderLine { shown, hidden };
enum class Verbosity { quiet, normal, verbose };
enum class Door { pipe, terminal };  // where a stream leads

// How stdout shows things to its reader.
struct View {
  Format format = Format::tsv;
  Times times = Times::rfc3339;
  Color color = Color::off;
  HeaderLine header = HeaderLine::shown;
  Door door = Door::pipe;
  int width = 0;    // columns; 0: as wide as it takes
  Timestamp now{};  // what relative times are relative to
};

enum class Tone { plain, good, waiting, bad, faint };

// Text as it came from outside: rendering makes it safe.
struct Cell {
  std::string text;
  Tone tone = Tone::plain;
};

enum class Align { left, right };
enum class Shown { always, wide };
enum class Fit { fixed, shrinks };  // on a terminal that is too narrow

struct Column {
  std::string name;  // as the API calls it: "event_type"
  Align align = Align::left;
  Fit fit = Fit::fixed;
  Shown shown = Shown::always;
  std::string title = "";  // where the name is too long for a table
  int least = 8;           // columns that it keeps when it shrinks
};

struct Table {
  std::vector<Column> columns;  // those for `wide` last
  std::vector<std::vector<Cell>> rows;
};

// One thing with its fields, in order.
struct Card {
  std::vector<std::pair<std::string, Cell>> fields;
  void add(std::string name, Cell cell) { fields.emplace_back(std::move(name), std::move(cell)); }
};

// Lines with their ends. TSV holds all columns; a table of no rows is empty. Where the width is too
// small, columns shrink, and then those on the right are left out, down to two.
std::string render(const Table& table, const View& view);
// "name:  value" lines, or TSV of field and value.
std::string render(const Card& card, const View& view);

// `text` in the tone's colour if the view has colour.
std::string toned(std::string_view text, Tone tone, const View& view);

// The member at a dotted path as text; "-" when it is absent or null.
std::string text_at(const Json& object, std::string_view path);
Cell cell_at(const Json& object, std::string_view path, Tone tone = Tone::plain);
// The same for a time: "5 m ago" where the view has relative times.
Cell time_at(const Json& object, std::string_view path, const View& view);
// The same for a time at which something is to be done: "due" once it is past.
Cell due_at(const Json& object, std::string_view path, const View& view);
// A duration that the API gives in milliseconds: "12 ms"; in TSV the number.
Cell millis_at(const Json& object, std::string_view path, const View& view);
// A size in bytes: "1.5 GiB"; in TSV the number.
Cell bytes_at(const Json& object, std::string_view path, const View& view);
// The status of a webhook, a delivery or a test, in its colour.
Cell status_at(const Json& object, std::string_view path);

// The two streams. Not thread-safe.
class Output {
 public:
  // `clock` is the one that relative times are reckoned by.
  Output(View view, Verbosity verbosity, Color error_color, const Clock& clock);

  // With the present time.
  View view() const;
  bool is_json() const { return view_.format == Format::json || view_.format == Format::jsonl; }

  // To stdout. None of them fails: what was begun is finished, whether or not it can be shown.
  // Once writing has failed nothing more is written.
  void show(const Table& table);
  void show(const Card& card);
  // An answer byte for byte and a line end; one line in `jsonl`.
  void json(std::string_view text);
  // Text that is already safe for a terminal.
  void text(std::string_view safe);
  // False once writing has failed, or the reader of a pipe has left: nobody wants more.
  bool is_wanted() const;
  // Why stdout could not be written; absent also when its reader has left, who wants no more.
  std::optional<CliError> failure() const;

  // To stderr; never fails. --quiet holds notes back, and so does JSON notes and warnings: its
  // stderr is for programs. A detail is shown only by --verbose.
  void note(std::string_view sentence);
  void detail(std::string_view sentence);
  void warn(std::string_view sentence, std::string_view hint);
  // A line that the next one on stderr takes the place of; empty: none. Only on a terminal, and
  // held back as notes are.
  void progress(std::string_view sentence);
  void error(const CliError& error);

 private:
  void to_stderr(std::string_view text);
  void clear_progress();

  View view_;
  Verbosity verbosity_;
  Color error_color_;
  const Clock& clock_;
  int write_error_ = 0;  // an errno
  bool in_progress_ = false;
};

// {"error":{"code","message","hint","exit_code","request_id"}} with a line end.
std::string error_json(const CliError& error);

}  // namespace webhookd
