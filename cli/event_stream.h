#pragma once

// Server-sent events (WHATWG HTML, section 9.2.6), as far as the daemon's streams need them.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace webhookd {

struct ServerEvent {
  std::string name;  // "message" unless the stream says otherwise
  std::string data;
};

// Takes a stream's bytes, however they are cut.
class EventStreamParser {
 public:
  // Called for each event that has data.
  explicit EventStreamParser(std::function<void(const ServerEvent&)> on_event)
      : on_event_(std::move(on_event)) {}

  // False when a line or an event is longer than any that a webhookd sends.
  bool feed(std::string_view bytes);
  // A stream that begins anew: what came of an event is void.
  void restart();

  // The last id that was complete with its event, or stood alone; empty: none yet. To be sent as
  // Last-Event-ID when the stream is asked for again.
  const std::string& last_id() const { return last_id_; }

 private:
  void take_line(std::string_view line);
  void finish_event();

  std::function<void(const ServerEvent&)> on_event_;
  std::string line_;
  ServerEvent event_;
  bool has_data_ = false;
  std::string id_;
  std::string last_id_;
};

}  // namespace webhookd
