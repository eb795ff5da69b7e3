#pragma once

// The two ways in which a request is refused, and the one place that renders them (contract
// section 2.4).

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/http.h"

namespace webhookd {

using ResponseHeaders = std::vector<std::pair<std::string, std::string>>;

// Answered as {"detail": "sentence"}. The sentence reaches the caller: no secret, nothing
// internal.
class ApiError : public std::exception {
 public:
  ApiError(int status, std::string detail, ResponseHeaders headers = {})
      : status_(status), detail_(std::move(detail)), headers_(std::move(headers)) {}
  const char* what() const noexcept override { return detail_.c_str(); }
  int status() const { return status_; }
  const std::string& detail() const { return detail_; }
  const ResponseHeaders& headers() const { return headers_; }

 private:
  int status_;
  std::string detail_;
  ResponseHeaders headers_;
};

// Where a fault lies: ["body", "events", 0].
using LocPart = std::variant<std::string, std::int64_t>;
using Loc = std::vector<LocPart>;

Loc operator/(Loc loc, LocPart part);

// One thing that is wrong with a request.
struct Fault {
  std::string type;
  Loc loc;
  std::string msg;
  std::string input;  // JSON text, as sent; masked and cut when it is rendered
  std::string ctx;    // JSON text of an object; empty: none
};

// A megabyte of unknown fields must not become ten of answer.
inline constexpr std::size_t kMaxFaults = 100;

// Answered as 422 with all its faults, the first kMaxFaults of them.
class ValidationError : public std::exception {
 public:
  explicit ValidationError(std::vector<Fault> faults) : faults_(std::move(faults)) {}
  const char* what() const noexcept override { return "invalid request"; }
  const std::vector<Fault>& faults() const { return faults_; }

 private:
  std::vector<Fault> faults_;
};

HttpResponse error_response(const ApiError& error);
HttpResponse error_response(const ValidationError& error);

// `text` as a JSON string in quotes; bytes that are no UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

// One for each row of the contract's table. `input` is JSON text.
namespace fault {

// A dictionary has members of any name, a model has fields.
enum class Type { string, integer, number, boolean, list, dictionary, model };

Fault missing(Loc loc, std::string around);
Fault wrong_type(Type type, Loc loc, std::string input);
Fault list_too_short(Loc loc, std::string input, std::size_t least, std::size_t actual);
Fault list_too_long(Loc loc, std::string input, std::size_t most, std::size_t actual);
Fault dictionary_too_long(Loc loc, std::string input, std::size_t most, std::size_t actual);
Fault int_parsing(Loc loc, std::string input);
Fault int_from_float(Loc loc, std::string input);
// `bound` is the number as it is shown: "1", "0.01".
Fault greater_than_equal(Loc loc, std::string input, std::string_view bound);
Fault less_than_equal(Loc loc, std::string input, std::string_view bound);
Fault string_too_short(Loc loc, std::string input, std::size_t least);
Fault string_too_long(Loc loc, std::string input, std::size_t most);
Fault literal_error(Loc loc, std::string input, const std::vector<std::string_view>& expected);
Fault url_parsing(Loc loc, std::string input, std::string_view why);
Fault url_scheme(Loc loc, std::string input);
Fault extra_forbidden(Loc loc, std::string input);
Fault datetime_parsing(Loc loc, std::string input, std::string_view why);
// `position`: in characters, within the text at `loc`.
Fault json_invalid(const Loc& loc, std::size_t position, std::string_view why);
Fault value_error(Loc loc, std::string input, std::string_view why);

}  // namespace fault

}  // namespace webhookd
