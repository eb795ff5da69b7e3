#include "api/errors.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/shown_input.h"

namespace webhookd {
namespace {

constexpr std::size_t kMaxLocName = 1024;

std::string loc_text(const Loc& loc) {
  std::string text = "[";
  for (const LocPart& part : loc) {
    if (text.size() > 1) text += ',';
    if (const auto* name = std::get_if<std::string>(&part)) {
      text += json_quoted(std::string_view(*name).substr(0, kMaxLocName));
    } else {
      text += std::to_string(std::get<std::int64_t>(part));
    }
  }
  return text + "]";
}

std::string fault_text(const Fault& fault) {
  std::string text =
      fmt::format(R"({{"type":{},"loc":{},"msg":{},"input":{})", json_quoted(fault.type),
                  loc_text(fault.loc), json_quoted(fault.msg), shown_input(fault.input, fault.loc));
  if (!fault.ctx.empty()) text += ",\"ctx\":" + fault.ctx;
  return text + "}";
}

}  // namespace

Loc operator/(Loc loc, LocPart part) {
  loc.push_back(std::move(part));
  return loc;
}

std::string json_quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

HttpResponse error_response(const ApiError& error) {
  HttpResponse response;
  response.status = error.status();
  response.headers = error.headers();
  response.body = "{\"detail\":" + json_quoted(error.detail()) + "}";
  return response;
}

HttpResponse error_response(const ValidationError& error) {
  HttpResponse response;
  response.status = 422;
  response.body = "{\"detail\":[";
  const std::size_t count = std::min(error.faults().size(), kMaxFaults);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) response.body += ',';
    response.body += fault_text(error.faults()[i]);
  }
  response.body += "]}";
  return response;
}

namespace fault {
namespace {

std::string error_ctx(std::string_view why) { return "{\"error\":" + json_quoted(why) + "}"; }

Fault wrong_count(std::string_view type, std::string_view field, Loc loc, std::string input,
                  std::size_t bound, std::size_t actual) {
  const bool is_short = type == "too_short";
  const std::string_view word = is_short ? "least" : "most";
  return {std::string(type), std::move(loc),
          fmt::format("{} should have at {} {} item{} after validation, not {}", field, word, bound,
                      bound == 1 ? "" : "s", actual),
          std::move(input),
          fmt::format(R"({{"field_type":{},"{}":{},"actual_length":{}}})", json_quoted(field),
                      is_short ? "min_length" : "max_length", bound, actual)};
}

Fault wrong_length(std::string_view type, Loc loc, std::string input, std::size_t bound) {
  const bool is_short = type == "string_too_short";
  return {std::string(type), std::move(loc),
          fmt::format("String should have at {} {} character{}", is_short ? "least" : "most", bound,
                      bound == 1 ? "" : "s"),
          std::move(input),
          fmt::format(R"({{"{}":{}}})", is_short ? "min_length" : "max_length", bound)};
}

std::string choice(const std::vector<std::string_view>& expected) {
  std::string text;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i > 0) text += i + 1 == expected.size() ? " or " : ", ";
    text += fmt::format("'{}'", expected[i]);
  }
  return text;
}

}  // namespace

Fault missing(Loc loc, std::string around) {
  return {"missing", std::move(loc), "Field required", std::move(around), ""};
}

Fault wrong_type(Type type, Loc loc, std::string input) {
  const auto [name, noun] = [type]() -> std::pair<const char*, const char*> {
    switch (type) {
      case Type::string:
        return {"string_type", "string"};
      case Type::integer:
        return {"int_type", "integer"};
      case Type::number:
        return {"float_type", "number"};
      case Type::boolean:
        return {"bool_type", "boolean"};
      case Type::list:
        return {"list_type", "list"};
      case Type::dictionary:
        return {"dict_type", "dictionary"};
      case Type::model:
        return {"model_attributes_type", "dictionary or object to extract fields from"};
    }
    return {"", ""};
  }();
  return {name, std::move(loc), fmt::format("Input should be a valid {}", noun), std::move(input),
          ""};
}

Fault list_too_short(Loc loc, std::string input, std::size_t least, std::size_t actual) {
  return wrong_count("too_short", "List", std::move(loc), std::move(input), least, actual);
}

Fault list_too_long(Loc loc, std::string input, std::size_t most, std::size_t actual) {
  return wrong_count("too_long", "List", std::move(loc), std::move(input), most, actual);
}

Fault dictionary_too_long(Loc loc, std::string input, std::size_t most, std::size_t actual) {
  return wrong_count("too_long", "Dictionary", std::move(loc), std::move(input), most, actual);
}

Fault int_parsing(Loc loc, std::string input) {
  return {"int_parsing", std::move(loc),
          "Input should be a valid integer, unable to parse string as an integer", std::move(input),
          ""};
}

Fault int_from_float(Loc loc, std::string input) {
  return {"int_from_float", std::move(loc),
          "Input should be a valid integer, got a number with a fractional part", std::move(input),
          ""};
}

Fault greater_than_equal(Loc loc, std::string input, std::string_view bound) {
  return {"greater_than_equal", std::move(loc),
          fmt::format("Input should be greater than or equal to {}", bound), std::move(input),
          fmt::format(R"({{"ge":{}}})", bound)};
}

Fault less_than_equal(Loc loc, std::string input, std::string_view bound) {
  return {"less_than_equal", std::move(loc),
          fmt::format("Input should be less than or equal to {}", bound), std::move(input),
          fmt::format(R"({{"le":{}}})", bound)};
}

Fault string_too_short(Loc loc, std::string input, std::size_t least) {
  return wrong_length("string_too_short", std::move(loc), std::move(input), least);
}

Fault string_too_long(Loc loc, std::string input, std::size_t most) {
  return wrong_length("string_too_long", std::move(loc), std::move(input), most);
}

Fault literal_error(Loc loc, std::string input, const std::vector<std::string_view>& expected) {
  const std::string names = choice(expected);
  return {"literal_error", std::move(loc), "Input should be " + names, std::move(input),
          fmt::format(R"({{"expected":{}}})", json_quoted(names))};
}

Fault url_parsing(Loc loc, std::string input, std::string_view why) {
  return {"url_parsing", std::move(loc), fmt::format("Input should be a valid URL, {}", why),
          std::move(input), error_ctx(why)};
}

Fault url_scheme(Loc loc, std::string input) {
  return {"url_scheme", std::move(loc), "URL scheme should be 'http' or 'https'", std::move(input),
          R"({"expected_schemes":"'http' or 'https'"})"};
}

Fault extra_forbidden(Loc loc, std::string input) {
  return {"extra_forbidden", std::move(loc), "Extra inputs are not permitted", std::move(input),
          ""};
}

Fault datetime_parsing(Loc loc, std::string input, std::string_view why) {
  return {"datetime_parsing", std::move(loc),
          fmt::format("Input should be a valid datetime, {}", why), std::move(input),
          error_ctx(why)};
}

Fault json_invalid(const Loc& loc, std::size_t position, std::string_view why) {
  return {"json_invalid", loc / static_cast<std::int64_t>(position), "JSON decode error", "{}",
          error_ctx(why)};
}

Fault value_error(Loc loc, std::string input, std::string_view why) {
  return {"value_error", std::move(loc), fmt::format("Value error, {}", why), std::move(input),
          error_ctx(why)};
}

}  // namespace fault

}  // namespace webhookd
