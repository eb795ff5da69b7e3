#pragma once

// The parts of `publish --batch` that need no server: what is sent, and what its answer means for
// the file that the lines came from.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/errors.h"

namespace webhookd {

inline constexpr std::size_t kMostBatchEvents = 1000;
inline constexpr std::size_t kMostBatchBytes = 8 * 1024 * 1024;

// Of a line of the file.
struct BatchLine {
  std::int64_t number = 0;
  // As the line has them, where it is an event; for asking what became of it.
  std::string tenant_id;
  std::string partner_id;
};

// A request's worth of lines.
class EventBatch {
 public:
  bool empty() const { return lines_.empty(); }
  bool has_room_for(std::size_t bytes) const {
    return lines_.size() < kMostBatchEvents && body_.size() + bytes + 1 <= kMostBatchBytes;
  }
  void add(const BatchLine& line, std::string_view text);
  void clear();

  const std::vector<BatchLine>& lines() const { return lines_; }
  const std::string& body() const { return body_; }  // NDJSON

 private:
  std::vector<BatchLine> lines_;
  std::string body_;
};

// The line as it is to be sent: an event that has no id gets `event_id`, so that a repetition makes
// no second event of it. All else stays byte for byte; what is no JSON object is the server's to
// judge. `line` learns whose event it is.
std::string identified(std::string_view text, const std::string& event_id, BatchLine& line);

// A refusal of a batch whose faults and sentence name the lines of the file.
CliError batch_failure(int status, std::string_view body, std::string request_id,
                       const std::vector<BatchLine>& lines);

}  // namespace webhookd
