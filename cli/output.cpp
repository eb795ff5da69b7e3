#include "cli/output.h"

#include <errno.h>
#include <fmt/format.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/raw_json.h"
#include "cli/text.h"

namespace webhookd {
namespace {

// False with errno set when not all of it could be written.
bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

const Json* member_at(const Json& object, std::string_view path) {
  const Json* value = &object;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    if (!value->is_object()) return nullptr;
    const auto found = value->find(std::string(path.substr(0, dot)));
    if (found == value->end()) return nullptr;
    value = &*found;
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
  }
  return value->is_null() ? nullptr : value;
}

std::string relative(Timestamp time, Timestamp now) {
  using std::chrono::milliseconds;
  if (time > now) return "in " + format_duration(time - now);
  if (now - time < milliseconds(1000)) return "just now";
  return format_duration(now - time) + " ago";
}

std::string size_text(double bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  constexpr double kStep = 1024;
  if (bytes < kStep) return fmt::format("{:.0f} B", bytes);
  std::size_t unit = 0;
  for (bytes /= kStep; bytes >= kStep && unit + 1 < std::size(kUnits); ++unit) bytes /= kStep;
  return fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

}  // namespace

std::string text_at(const Json& object, std::string_view path) {
  const Json* value = member_at(object, path);
  if (value == nullptr) return "-";
  if (value->is_string()) return value->get<std::string>();
  return value->dump(-1, ' ', false, Json::error_handler_t::replace);
}

Cell cell_at(const Json& object, std::string_view path, Tone tone) {
  return {text_at(object, path), tone};
}

Cell time_at(const Json& object, std::string_view path, const View& view) {
  const std::string text = text_at(object, path);
  if (view.times == Times::rfc3339) return {text};
  const std::optional<Timestamp> time = parse_rfc3339(text);
  return {time ? relative(*time, view.now) : text};
}

Cell millis_at(const Json& object, std::string_view path, const View& view) {
  const Json* value = member_at(object, path);
  if (value == nullptr || !value->is_number() || view.format == Format::tsv) {
    return {text_at(object, path)};
  }
  const double millis = value->get<double>();
  constexpr double kLongest = 1e12;  // what follows must fit into an integer
  if (!(millis >= 0 && millis < kLongest)) return {text_at(object, path)};
  if (millis < 10'000) return {fmt::format("{:.0f} ms", millis)};
  return {format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(millis)))};
}

Cell due_at(const Json& object, std::string_view path, const View& view) {
  const std::optional<Timestamp> time = parse_rfc3339(text_at(object, path));
  const bool due = time && *time <= view.now && view.times == Times::relative;
  return due ? Cell{"due"} : time_at(object, path, view);
}

Cell bytes_at(const Json& object, std::string_view path, const View& view) {
  const Json* value = member_at(object, path);
  const bool plain = value == nullptr || !value->is_number() || view.format == Format::tsv;
  if (plain || value->get<double>() < 0) return {text_at(object, path)};
  return {size_text(value->get<double>())};
}

Cell status_at(const Json& object, std::string_view path) {
  const std::string status = text_at(object, path);
  if (status == "active" || status == "succeeded" || status == "success") {
    return {status, Tone::good};
  }
  if (status == "paused" || status == "pending" || status == "in_flight") {
    return {status, Tone::waiting};
  }
  if (status == "disabled" || status == "failed") return {status, Tone::bad};
  if (status == "cancelled") return {status, Tone::faint};
  return {status};
}

Output::Output(View view, Verbosity verbosity, Color error_color, const Clock& clock)
    : view_(view), verbosity_(verbosity), error_color_(error_color), clock_(clock) {}

View Output::view() const {
  View view = view_;
  view.now = clock_.now();
  return view;
}

void Output::show(const Table& table) { text(render(table, view())); }

void Output::show(const Card& card) { text(render(card, view())); }

void Output::json(std::string_view body) {
  const std::string line = view_.format == Format::jsonl ? compact_json(body) : std::string(body);
  text((view_.door == Door::terminal ? safe_json(line) : line) + "\n");
}

void Output::text(std::string_view safe) {
  clear_progress();
  if (write_error_ == 0 && !write_all(STDOUT_FILENO, safe)) write_error_ = errno;
}

bool Output::is_wanted() const {
  pollfd out{STDOUT_FILENO, 0, 0};
  return write_error_ == 0 && !(::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0);
}

std::optional<CliError> Output::failure() const {
  if (write_error_ == 0 || write_error_ == EPIPE) return std::nullopt;
  return CliError(Exit::internal,
                  fmt::format("the output cannot be written: {}", strerror(write_error_)),
                  "see where standard output leads: is the disk full, or the file closed?");
}

// Nothing can be done about a stderr that is gone.
void Output::to_stderr(std::string_view text) {
  clear_progress();
  static_cast<void>(write_all(STDERR_FILENO, text));
}

void Output::clear_progress() {
  constexpr std::string_view kClearLine = "\r\x1b[K";
  if (std::exchange(in_progress_, false)) {
    static_cast<void>(write_all(STDERR_FILENO, kClearLine));
  }
}

void Output::progress(std::string_view sentence) {
  if (verbosity_ == Verbosity::quiet || is_json() || isatty(STDERR_FILENO) != 1) return;
  clear_progress();
  if (sentence.empty()) return;
  static_cast<void>(write_all(STDERR_FILENO, safe_text(sentence)));
  in_progress_ = true;
}

void Output::note(std::string_view sentence) {
  if (verbosity_ != Verbosity::quiet && !is_json()) to_stderr(safe_text(sentence) + "\n");
}

void Output::detail(std::string_view sentence) {
  if (verbosity_ == Verbosity::verbose) to_stderr(safe_text(sentence) + "\n");
}

void Output::warn(std::string_view sentence, std::string_view hint) {
  if (is_json()) return;
  to_stderr(fmt::format("warning: {}\nhint: {}\n", safe_text(sentence), safe_text(hint)));
}

void Output::error(const CliError& error) {
  if (is_json()) {
    to_stderr(error_json(error));
    return;
  }
  View colors;
  colors.color = error_color_;
  std::string text = toned("error:", Tone::bad, colors) + " " + safe_text(error.message) + "\n";
  for (const std::string& detail : error.details) text += "  " + safe_text(detail) + "\n";
  if (!error.hint.empty()) text += "hint: " + safe_text(error.hint) + "\n";
  if (verbosity_ == Verbosity::verbose && !error.request_id.empty()) {
    text += "request id: " + safe_text(error.request_id) + "\n";
  }
  to_stderr(text);
}

std::string error_json(const CliError& error) {
  std::string message = error.message;
  for (const std::string& detail : error.details) message += "; " + detail;
  Json body;
  body["code"] = code_of(error.exit);
  body["message"] = message;
  body["hint"] = error.hint.empty() ? Json(nullptr) : Json(error.hint);
  body["exit_code"] = static_cast<int>(error.exit);
  body["request_id"] = error.request_id.empty() ? Json(nullptr) : Json(error.request_id);
  const Json whole = {{"error", body}};
  return safe_json(whole.dump(-1, ' ', false, Json::error_handler_t::replace)) + "\n";
}

}  // namespace webhookd
