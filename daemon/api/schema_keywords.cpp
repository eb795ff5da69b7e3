#include "api/schema_keywords.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api/decimal.h"
#include "api/valijson.h"

namespace webhookd {
namespace {

// What the keywords become, so that our checks get them in place of the validator.
constexpr const char* kPatternKeyword = "webhookd:pattern";
constexpr const char* kMultipleKeyword = "webhookd:multipleOf";

// "pattern" in time that is linear in the text, whoever wrote the pattern.
class PatternConstraint final : public valijson::constraints::PolyConstraint {
 public:
  explicit PatternConstraint(const std::string& pattern) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    pattern_ = std::make_shared<const re2::RE2>(pattern, options);
    if (!pattern_->ok()) {
      throw std::invalid_argument("the pattern '" + pattern +
                                  "' cannot be used: " + pattern_->error());
    }
  }

  bool validate(const valijson::adapters::Adapter& target, const std::vector<std::string>& context,
                valijson::ValidationResults* results) const override {
    if (!target.isString() || re2::RE2::PartialMatch(target.asString(), *pattern_)) return true;
    if (results != nullptr) {
      results->pushError(context, "Failed to match regex specified by 'pattern' constraint.");
    }
    return false;
  }

 private:
  valijson::constraints::Constraint* cloneInto(void* place) const override {
    return new (place) PatternConstraint(*this);
  }
  std::size_t sizeOf() const override { return sizeof(PatternConstraint); }

  std::shared_ptr<const re2::RE2> pattern_;
};

class PatternBuilder final : public valijson::ConstraintBuilder {
 public:
  valijson::constraints::Constraint* make(const valijson::adapters::Adapter& value) const override {
    return new PatternConstraint(value.asString());
  }
};

// "multipleOf" in decimal: 19.99 is a multiple of 0.01, which no division of doubles finds.
class MultipleConstraint final : public valijson::constraints::PolyConstraint {
 public:
  explicit MultipleConstraint(std::string unit)
      : unit_text_(std::move(unit)), unit_(parse_decimal(unit_text_)) {}

  bool validate(const valijson::adapters::Adapter& target, const std::vector<std::string>& context,
                valijson::ValidationResults* results) const override {
    if (!target.isNumber() || is_met(target)) return true;
    if (results != nullptr) {
      results->pushError(context, "Value should be a multiple of " + unit_text_ + ".");
    }
    return false;
  }

 private:
  bool is_met(const valijson::adapters::Adapter& number) const {
    if (!number.isInteger()) {
      return is_multiple(parse_decimal(fmt::format("{}", number.asDouble())), unit_);
    }
    // At its ends the range stands for all that lies beyond, whose digits nobody knows here.
    using Limits = std::numeric_limits<std::int64_t>;
    const std::int64_t value = number.asInteger();
    return value == Limits::max() || value == Limits::min() ||
           is_multiple(parse_decimal(std::to_string(value)), unit_);
  }
  valijson::constraints::Constraint* cloneInto(void* place) const override {
    return new (place) MultipleConstraint(*this);
  }
  std::size_t sizeOf() const override { return sizeof(MultipleConstraint); }

  std::string unit_text_;
  Decimal unit_;
};

template <typename Constraint>
class TextBuilder final : public valijson::ConstraintBuilder {
 public:
  valijson::constraints::Constraint* make(const valijson::adapters::Adapter& value) const override {
    return new Constraint(value.asString());
  }
};

// Calls `visit` with every schema in `schema`, itself included; what looks like a keyword in data
// or as the name of a property is none.
template <typename Node>
void each_schema(Node& schema, const std::function<void(Node&)>& visit) {
  constexpr std::array<std::string_view, 4> kData{"enum", "const", "default", "examples"};
  constexpr std::array<std::string_view, 6> kNamed{"properties",   "patternProperties",
                                                   "definitions",  "$defs",
                                                   "dependencies", "dependentSchemas"};
  if (schema.is_array()) {
    for (Node& item : schema) each_schema(item, visit);
  }
  if (!schema.is_object()) return;
  visit(schema);
  for (auto& [name, member] : schema.items()) {
    if (std::ranges::count(kData, name) > 0) continue;
    if (member.is_object() && std::ranges::count(kNamed, name) > 0) {
      for (Node& named : member) each_schema(named, visit);
    } else {
      each_schema(member, visit);
    }
  }
}

void take_over(nlohmann::json& schema) {
  if (schema.contains("patternProperties")) {
    throw std::invalid_argument("patternProperties cannot be used here");
  }
  const auto pattern = schema.find("pattern");
  if (pattern != schema.end() && pattern->is_string()) {
    schema[kPatternKeyword] = *pattern;
    schema.erase("pattern");
  }
  const auto unit = schema.find("multipleOf");
  if (unit == schema.end()) return;
  if (!unit->is_number() || unit->get<double>() <= 0) {
    throw std::invalid_argument("multipleOf needs a number above 0");
  }
  schema[kMultipleKeyword] = unit->dump();
  schema.erase("multipleOf");
}

// Drafts up to 7 have a hyphen in place of the slash.
bool asks_for_later_draft(const nlohmann::json& schema) {
  const auto draft = schema.find("$schema");
  return draft != schema.end() && draft->is_string() &&
         draft->get_ref<const std::string&>().find("json-schema.org/draft/") != std::string::npos;
}

// Up to draft 7 what stands beside "$ref" is passed over; later drafts enforce it.
std::optional<std::string> assertion_beside_reference(const nlohmann::json& schema) {
  constexpr std::array<std::string_view, 14> kHarmless{
      "$ref",  "$schema",     "$id",     "$anchor",    "$comment", "$defs",    "definitions",
      "title", "description", "default", "deprecated", "examples", "readOnly", "writeOnly"};
  if (!schema.contains("$ref")) return std::nullopt;
  for (const auto& [name, value] : schema.items()) {
    if (std::ranges::count(kHarmless, name) == 0) return name + " beside $ref";
  }
  return std::nullopt;
}

}  // namespace

void take_over_keywords(nlohmann::json& schema) { each_schema<nlohmann::json>(schema, take_over); }

void add_taken_over_keywords(valijson::SchemaParser& parser) {
  // The parser deletes them.
  parser.addConstraintBuilder(kPatternKeyword, new TextBuilder<PatternConstraint>);
  parser.addConstraintBuilder(kMultipleKeyword, new TextBuilder<MultipleConstraint>);
}

std::optional<std::string> unenforced_keyword(const nlohmann::json& schema) {
  constexpr std::array kLater{"dependentRequired", "dependentSchemas", "unevaluatedProperties",
                              "unevaluatedItems",  "prefixItems",      "minContains",
                              "maxContains",       "$recursiveRef",    "$dynamicRef"};
  bool later_draft = false;
  std::optional<std::string> found;
  std::optional<std::string> beside_reference;
  each_schema<const nlohmann::json>(schema, [&](const nlohmann::json& node) {
    later_draft = later_draft || asks_for_later_draft(node);
    for (const char* keyword : kLater) {
      if (node.contains(keyword)) found = keyword;
    }
    if (!beside_reference) beside_reference = assertion_beside_reference(node);
  });
  return !found && later_draft ? beside_reference : found;
}

}  // namespace webhookd
