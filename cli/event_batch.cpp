#include "cli/event_batch.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/raw_json.h"
#include "shared/ascii.h"
#include "shared/canonical_json.h"
#include "shared/model_json.h"

namespace webhookd {
namespace {

std::string text_of(const CanonicalObject& event, std::string_view name) {
  const auto found = event.find(name);
  return found == event.end() ? "" : found->second.string;
}

bool has_id(const CanonicalObject& event) {
  const auto found = event.find("event_id");
  return found != event.end() && found->second.kind != CanonicalMember::Kind::null;
}

// In the file; absent for what cannot be one of ours.
std::optional<std::int64_t> file_line(std::int64_t sent, const std::vector<BatchLine>& lines) {
  if (sent < 1 || sent > static_cast<std::int64_t>(lines.size())) return std::nullopt;
  return lines[static_cast<std::size_t>(sent - 1)].number;
}

// ["body", 3, "data"] -> ["line 17", "data"].
void rename_location(Json& fault, const std::vector<BatchLine>& lines) {
  const auto loc = fault.find("loc");
  if (loc == fault.end() || !loc->is_array() || loc->size() < 2) return;
  if (!loc->at(1).is_number_integer()) return;
  const auto number = file_line(loc->at(1).get<std::int64_t>(), lines);
  if (!number) return;
  Json renamed = Json::array({fmt::format("line {}", *number)});
  for (std::size_t i = 2; i < loc->size(); ++i) renamed.push_back(loc->at(i));
  *loc = std::move(renamed);
}

// "Line 3: …" -> "line 17: …", and so what follows, when it begins with a line too.
std::string renamed_sentence(const std::string& sentence, const std::vector<BatchLine>& lines) {
  constexpr std::string_view kStart = "Line ";
  if (!sentence.starts_with(kStart)) return sentence;
  std::int64_t sent = 0;
  const char* const end = sentence.data() + sentence.size();
  const auto [stop, error] = std::from_chars(sentence.data() + kStart.size(), end, sent);
  const auto number = file_line(sent, lines);
  if (error != std::errc{} || !number) return sentence;
  const std::string rest(stop, end);
  if (!rest.starts_with(": ")) return fmt::format("line {}{}", *number, rest);
  return fmt::format("line {}: {}", *number, renamed_sentence(rest.substr(2), lines));
}

}  // namespace

void EventBatch::add(const BatchLine& line, std::string_view text) {
  lines_.push_back(line);
  body_ += text;
  body_ += '\n';
}

void EventBatch::clear() {
  lines_.clear();
  body_.clear();
}

std::string identified(std::string_view text, const std::string& event_id, BatchLine& line) {
  text = trimmed(text);
  const auto parsed = canonicalize_object(text);
  const auto* event = std::get_if<CanonicalObject>(&parsed);
  if (event == nullptr) return std::string(text);
  line.tenant_id = text_of(*event, "tenant_id");
  line.partner_id = text_of(*event, "partner_id");
  if (has_id(*event)) return std::string(text);
  // At the end, where it also wins over a null.
  return fmt::format("{}{}\"event_id\":\"{}\"}}", text.substr(0, text.size() - 1),
                     event->empty() ? "" : ",", event_id);
}

CliError batch_failure(int status, std::string_view body, std::string request_id,
                       const std::vector<BatchLine>& lines) {
  Json answer = nests_too_deep(body) ? Json() : Json::parse(body, nullptr, false);
  const auto detail = answer.is_object() ? answer.find("detail") : answer.end();
  if (answer.is_object() && detail != answer.end()) {
    if (detail->is_array()) {
      for (Json& fault : *detail) rename_location(fault, lines);
    } else if (detail->is_string()) {
      *detail = renamed_sentence(detail->get<std::string>(), lines);
    }
  }
  CliError failure =
      api_failure(status,
                  answer.is_object() ? answer.dump(-1, ' ', false, Json::error_handler_t::replace)
                                     : std::string(body),
                  std::move(request_id), "/api/v1/events/batch");
  if (status == 409) failure.hint = "give that line an event_id of its own, or none";
  return failure;
}

}  // namespace webhookd
