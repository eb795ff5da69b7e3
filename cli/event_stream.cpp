#include "cli/event_stream.h"

#include <algorithm>

#include "shared/ascii.h"

namespace webhookd {
namespace {

constexpr std::size_t kLongestEvent = 1024 * 1024;

// It goes into a header: nothing else gets there.
bool is_id(std::string_view value) {
  return !value.empty() && value.size() < 20 && std::all_of(value.begin(), value.end(), is_digit);
}

}  // namespace

bool EventStreamParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() + event_.data.size() > kLongestEvent) return false;
    if (end == std::string_view::npos) return true;
    bytes.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    take_line(line_);
    line_.clear();
  }
  return true;
}

void EventStreamParser::restart() {
  line_.clear();
  event_ = {};
  has_data_ = false;
  id_ = last_id_;
}

void EventStreamParser::take_line(std::string_view line) {
  if (line.empty()) return finish_event();
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") {
    event_.name = value;
  } else if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "id" && is_id(value)) {
    id_ = value;
  }
}

void EventStreamParser::finish_event() {
  last_id_ = id_;
  if (has_data_) {
    if (event_.name.empty()) event_.name = "message";
    on_event_(event_);
  }
  event_ = {};
  has_data_ = false;
}

}  // namespace webhookd
