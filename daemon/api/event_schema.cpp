#include "api/event_schema.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

// Not ours to fix: its headers do not survive our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/constraint_builder.hpp>
#include <valijson/constraints/concrete_constraints.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#pragma GCC diagnostic pop

namespace webhookd {
namespace {

using AnyJson = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

// "format" is held against std::regex, which recurses once a character: a long string could end
// the process.
constexpr std::size_t kMaxFormattedBytes = 2048;
// "uniqueItems" compares every pair.
constexpr std::size_t kMaxUniqueItems = 1000;
// Every error costs memory before it is looked at.
constexpr std::size_t kMaxExplainedBytes = 64 * 1024;
constexpr std::size_t kMaxSchemaFaults = 20;
constexpr std::size_t kMaxSchemaBytes = 64 * 1024;
// With every reference replaced by what it points at: bounds what validating can cost.
constexpr std::size_t kMaxSchemaParts = 100'000;
// What "pattern" becomes, so that PatternConstraint gets it in place of the validator.
constexpr const char* kPatternKeyword = "webhookd:pattern";

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

// Data and not schemas: what looks like a keyword in there is none.
bool holds_data(const std::string& keyword) {
  return keyword == "enum" || keyword == "const" || keyword == "default" || keyword == "examples";
}

void take_over_patterns(AnyJson& node) {
  if (!node.is_structured()) return;
  if (node.is_object()) {
    if (node.contains("patternProperties")) {
      throw std::invalid_argument("patternProperties cannot be used here");
    }
    const auto pattern = node.find("pattern");
    if (pattern != node.end() && pattern->is_string()) {
      node[kPatternKeyword] = *pattern;
      node.erase("pattern");
    }
  }
  for (auto& [name, member] : node.items()) {
    if (!node.is_object() || !holds_data(name)) take_over_patterns(member);
  }
}

// A whole number is an integer however it is written, and however large (JSON Schema 6.3); one
// beyond 64 bits is compared as the largest of these.
class IntegerKeeper : public nlohmann::detail::json_sax_dom_parser<AnyJson> {
 public:
  using json_sax_dom_parser::json_sax_dom_parser;
  bool number_float(double value, const std::string& text) {
    constexpr double kBeyond = 9.2e18;
    if (std::trunc(value) != value) return json_sax_dom_parser::number_float(value, text);
    if (std::abs(value) < kBeyond) return number_integer(static_cast<std::int64_t>(value));
    using Limits = std::numeric_limits<std::int64_t>;
    return number_integer(value > 0 ? Limits::max() : Limits::min());
  }
};

AnyJson parse_document(std::string_view text) {
  AnyJson document;
  IntegerKeeper keeper(document);
  AnyJson::sax_parse(text, &keeper);
  return document;
}

// Follows every reference, so that one that leads back to itself, or many that lead to ever more,
// are found before the validator would follow them for ever.
class ReferenceWalk {
 public:
  explicit ReferenceWalk(const AnyJson& root) : root_(root) {}

  // How many parts there are when references are replaced by what they point at.
  std::size_t walk(const AnyJson& node) {
    std::size_t parts = 1;
    if (node.is_object()) {
      const auto reference = node.find("$ref");
      if (reference != node.end() && reference->is_string()) {
        parts += follow(reference->get<std::string>());
      }
    }
    if (node.is_structured()) {
      for (const AnyJson& member : node) parts += walk(member);
    }
    if (parts > kMaxSchemaParts) {
      throw std::invalid_argument("its references lead to more than 100000 parts");
    }
    return parts;
  }

 private:
  std::size_t follow(const std::string& reference) {
    if (const auto known = done_.find(reference); known != done_.end()) return known->second;
    if (!reference.starts_with("#/") || reference.find('%') != std::string::npos) {
      throw std::invalid_argument(
          "a $ref must point into the schema itself, like \"#/definitions/x\"");
    }
    if (!under_way_.insert(reference).second) {
      throw std::invalid_argument("a $ref leads back to itself");
    }
    const AnyJson::json_pointer pointer(reference.substr(1));
    if (!root_.contains(pointer)) throw std::invalid_argument("a $ref points nowhere");
    const std::size_t parts = walk(root_.at(pointer));
    under_way_.erase(reference);
    done_.emplace(reference, parts);
    return parts;
  }

  const AnyJson& root_;
  std::set<std::string> under_way_;
  std::map<std::string, std::size_t> done_;  // the parts of each
};

bool has_keyword(const AnyJson& node, const std::set<std::string>& keywords) {
  if (!node.is_structured()) return false;
  for (const auto& [name, member] : node.items()) {
    if ((node.is_object() && keywords.contains(name)) || has_keyword(member, keywords)) return true;
  }
  return false;
}

struct Largest {
  std::size_t text = 0;
  std::size_t array = 0;
};

void measure(const AnyJson& node, Largest& largest) {
  if (node.is_string()) {
    largest.text = std::max(largest.text, node.get_ref<const std::string&>().size());
  }
  if (node.is_array()) largest.array = std::max(largest.array, node.size());
  if (!node.is_structured()) return;
  for (const auto& [name, member] : node.items()) {
    largest.text = std::max(largest.text, node.is_object() ? name.size() : 0);
    measure(member, largest);
  }
}

// The validator names a place as "<root>", "[name]", "[0]".
Loc place(const Loc& base, const std::vector<std::string>& context, const AnyJson& document) {
  Loc loc = base;
  const AnyJson* node = &document;
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string& step = context[i];
    if (step.size() < 2) break;
    const std::string name = step.substr(1, step.size() - 2);
    if (node->is_array() && name.find_first_not_of("0123456789") == std::string::npos) {
      const std::size_t index = std::stoul(name);
      if (index >= node->size()) break;
      loc = std::move(loc) / static_cast<std::int64_t>(index);
      node = &(*node)[index];
    } else {
      if (!node->is_object() || !node->contains(name)) break;
      loc = std::move(loc) / name;
      node = &node->at(name);
    }
  }
  return loc;
}

std::string input_at(const Loc& loc, std::size_t base_size, const AnyJson& document) {
  const AnyJson* node = &document;
  for (std::size_t i = base_size; i < loc.size(); ++i) {
    if (const auto* name = std::get_if<std::string>(&loc[i])) {
      node = &node->at(*name);
    } else {
      node = &(*node)[static_cast<std::size_t>(std::get<std::int64_t>(loc[i]))];
    }
  }
  return node->dump();
}

}  // namespace

struct EventSchema::Compiled {
  valijson::Schema schema;
  bool matches_text = false;
  bool compares_items = false;

  // False when it found nothing to say.
  bool explain(const AnyJson& document, const Loc& loc, Faults& faults) const {
    valijson::ValidationResults results;
    valijson::Validator().validate(schema, Adapter(document), &results);
    const bool found = results.numErrors() > 0;
    valijson::ValidationResults::Error error;
    for (std::size_t i = 0; i < kMaxSchemaFaults && results.popError(error); ++i) {
      const Loc where = place(loc, error.context, document);
      faults.add(fault::value_error(where, input_at(where, loc.size(), document),
                                    "the event type's schema says: " + error.description));
    }
    return found;
  }
};

EventSchema::EventSchema(std::string_view text) : compiled_(std::make_unique<Compiled>()) {
  if (text.size() > kMaxSchemaBytes) throw std::invalid_argument("it is larger than 64 KiB");
  try {
    AnyJson json = AnyJson::parse(text);
    ReferenceWalk(json).walk(json);
    take_over_patterns(json);
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.addConstraintBuilder(kPatternKeyword, new PatternBuilder);  // the parser deletes it
    parser.populateSchema(Adapter(json), compiled_->schema);
    compiled_->matches_text = has_keyword(json, {"format"});
    compiled_->compares_items = has_keyword(json, {"uniqueItems"});
  } catch (const std::invalid_argument&) {
    throw;
  } catch (const std::exception& error) {
    throw std::invalid_argument(error.what());
  }
}

EventSchema::~EventSchema() = default;
EventSchema::EventSchema(EventSchema&&) noexcept = default;
EventSchema& EventSchema::operator=(EventSchema&&) noexcept = default;

void EventSchema::check(std::string_view document, const Loc& loc, Faults& faults) const {
  const auto refuse = [&](std::string_view why) {
    faults.add(fault::value_error(loc, std::string(document), why));
  };
  const AnyJson json = parse_document(document);
  Largest largest;
  measure(json, largest);
  if (compiled_->matches_text && largest.text > kMaxFormattedBytes) {
    return refuse("a string of over 2048 bytes cannot be held against the event type's schema");
  }
  if (compiled_->compares_items && largest.array > kMaxUniqueItems) {
    return refuse("a list of over 1000 items cannot be held against the event type's schema");
  }
  try {
    if (valijson::Validator().validate(compiled_->schema, Adapter(json), nullptr)) return;
    if (document.size() <= kMaxExplainedBytes && compiled_->explain(json, loc, faults)) return;
  } catch (const std::exception&) {
    return refuse("the event type's schema cannot be applied to it");
  }
  refuse("the event type's schema refuses it");
}

}  // namespace webhookd
