#include "api/answerer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <utility>

#include "observe/log.h"
#include "shared/encoding.h"
#include "shared/version.h"

namespace webhookd {
namespace {

constexpr std::size_t kRequestIdBytes = 8;
constexpr std::string_view kRetryAfterSeconds = "1";

bool has_header(const HttpResponse& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(), [name](const auto& header) {
    return equal_ignoring_case(header.first, name);
  });
}

}  // namespace

std::string format_http_date(std::chrono::sys_seconds time) {
  constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[std::chrono::weekday(day).c_encoding()], unsigned{date.day()},
                     kMonths[unsigned{date.month()} - 1], int{date.year()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

void Answerer::identify(HttpRequest& request) {
  if (request.request_id.empty()) request.request_id = new_request_id();
}

std::string Answerer::answer(const HttpRequest& request, AfterAnswer after) {
  return answer(request, call_handler(request), after);
}

std::string Answerer::answer(const HttpRequest& request, HttpResponse response, AfterAnswer after) {
  AnswerFrame frame;
  frame.after = after;
  if (request.method == "HEAD") frame.body = AnswerFrame::Body::left_out;
  hand_over_ = std::move(response.hand_over);
  add_door_headers(response, request.request_id);
  return bridge_.run(frame, [&] { return std::move(response); });
}

std::string Answerer::refuse(const Refusal& refusal, std::string request_id,
                             AnswerFrame::Body body) {
  if (request_id.empty()) request_id = new_request_id();
  log::debug("msg=\"request refused\" status={} reason=\"{}\" request_id={}", refusal.status,
             refusal.reason, request_id);
  return bridge_.run({body, AfterAnswer::close}, [&] {
    HttpResponse response = render(refusal.status, refusal.reason);
    if (response.status == 503 && !has_header(response, "retry-after")) {
      response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
    }
    add_door_headers(response, request_id);
    return response;
  });
}

HttpResponse Answerer::call_handler(const HttpRequest& request) const {
  try {
    return (*handler_)(request);
  } catch (const std::exception& error) {
    log::error("msg=\"request failed\" request_id={} error=\"{}\"", request.request_id,
               error.what());
  } catch (...) {
    log::error("msg=\"request failed\" request_id={} error=unknown", request.request_id);
  }
  return render(500, "");
}

HttpResponse Answerer::render(int status, std::string_view reason) const {
  try {
    return (*refusal_)(status, reason);
  } catch (const std::exception& error) {
    log::error("msg=\"refusal not rendered\" status={} error=\"{}\"", status, error.what());
  }
  HttpResponse response;
  response.status = status;
  return response;
}

void Answerer::add_door_headers(HttpResponse& response, const std::string& request_id) {
  response.headers.emplace_back("Date", date());
  response.headers.emplace_back("X-Request-ID", request_id);
  response.headers.emplace_back("webhookd-version", kVersion);
}

std::string Answerer::new_request_id() { return hex_encode(random_.bytes(kRequestIdBytes)); }

const std::string& Answerer::date() {
  const auto second = std::chrono::floor<std::chrono::seconds>(clock_.now());
  if (second != date_second_) {
    date_second_ = second;
    date_ = format_http_date(second);
  }
  return date_;
}

}  // namespace webhookd
