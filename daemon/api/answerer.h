#pragma once

#include <functional>
#include <string>
#include <utility>

#include "api/collector.h"
#include "api/http.h"
#include "api/httplib_bridge.h"
#include "shared/random.h"
#include "shared/time.h"

namespace webhookd {

// Turns requests and refusals into the bytes of their answers, with the headers that every answer
// carries. Nothing that a handler or a renderer throws gets past it. Not thread-safe: each thread
// has its own.
class Answerer {
 public:
  // Both must outlive the answerer.
  Answerer(const HttpHandler& handler, const RefusalRenderer& refusal)
      : handler_(&handler), refusal_(&refusal) {}

  // Gives the request an id when it has none. Before its answer is made.
  void identify(HttpRequest& request);

  // Calls the handler.
  std::string answer(const HttpRequest& request, AfterAnswer after);
  // The answer to a request that has its response already.
  std::string answer(const HttpRequest& request, HttpResponse response, AfterAnswer after);

  // What the answer that was made last leaves its connection to; empty: nobody.
  std::function<void(FileDescriptor)> take_hand_over() {
    return std::exchange(hand_over_, nullptr);
  }

  // Always the last answer of its connection. `request_id` is empty when there is none;
  // `body` is left_out when the refused request was a HEAD.
  std::string refuse(const Refusal& refusal, std::string request_id, AnswerFrame::Body body);

 private:
  HttpResponse call_handler(const HttpRequest& request) const;
  HttpResponse render(int status, std::string_view reason) const;
  void add_door_headers(HttpResponse& response, const std::string& request_id);
  std::string new_request_id();
  const std::string& date();

  const HttpHandler* handler_;
  const RefusalRenderer* refusal_;
  HttplibBridge bridge_;
  std::function<void(FileDescriptor)> hand_over_;
  SystemRandom random_;
  SystemClock clock_;
  std::chrono::sys_seconds date_second_{};
  std::string date_;  // of date_second_
};

// RFC 9110 section 5.6.7: "Mon, 23 Nov 2026 09:00:00 GMT".
std::string format_http_date(std::chrono::sys_seconds time);

}  // namespace webhookd
