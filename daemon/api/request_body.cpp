#include "api/request_body.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "shared/encoding.h"
#include "shared/json_position.h"

namespace webhookd {
namespace {

std::string media_type(std::string_view value) {
  std::string type(value.substr(0, value.find(';')));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return type;
}

// In characters, as Python counts them in a text that it has decoded.
std::size_t character_position(std::string_view body, std::size_t byte) {
  const std::size_t mark = body.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  return utf8_length(body.substr(0, byte)) - utf8_length(body.substr(0, std::min(mark, byte)));
}

[[noreturn]] void refuse(Fault fault) { throw ValidationError({std::move(fault)}); }

}  // namespace

bool is_json_type(std::string_view content_type) {
  const std::string type = media_type(content_type);
  return type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

bool is_ndjson_type(std::string_view content_type) {
  return media_type(content_type) == "application/x-ndjson";
}

Fault json_fault(const Loc& loc, std::string_view text, const JsonFault& fault) {
  return fault::json_invalid(loc, character_position(text, fault.position), fault.reason);
}

CanonicalObject parse_body(const HttpRequest& request, BodyNeed need) {
  if (request.body.empty()) {
    if (need == BodyNeed::optional) return {};
    refuse(fault::missing({std::string("body")}, "null"));
  }
  const auto type = request.header("content-type");
  if (type && !is_json_type(*type)) {
    throw ApiError(415, "Send the body as application/json");
  }
  auto parsed = canonicalize_object(request.body);
  if (auto* object = std::get_if<CanonicalObject>(&parsed)) return std::move(*object);
  if (const auto* fault = std::get_if<JsonFault>(&parsed)) {
    refuse(json_fault({std::string("body")}, request.body, *fault));
  }
  auto& other = std::get<CanonicalMember>(parsed);
  if (other.kind == CanonicalMember::Kind::null) {
    if (need == BodyNeed::optional) return {};
    refuse(fault::missing({std::string("body")}, "null"));
  }
  refuse(fault::wrong_type(fault::Type::model, {std::string("body")}, std::move(other.text)));
}

}  // namespace webhookd
