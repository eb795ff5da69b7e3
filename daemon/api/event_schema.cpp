#include "api/event_schema.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "api/schema_keywords.h"
#include "api/valijson.h"

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
// Each is compared with each.
constexpr std::size_t kMaxSchemaErrors = 200;
constexpr std::size_t kMaxSchemaBytes = 64 * 1024;
// With every reference replaced by what it points at: bounds what validating can cost.
constexpr std::size_t kMaxSchemaParts = 100'000;

// A whole number is an integer however it is written, and however large (JSON Schema 6.3); one
// beyond 64 bits is compared as the largest of these.
class IntegerKeeper : public nlohmann::detail::json_sax_dom_parser<AnyJson> {
 public:
  using json_sax_dom_parser::json_sax_dom_parser;
  bool number_unsigned(std::uint64_t value) {
    // The validator takes one beyond the signed range for a negative number.
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    return json_sax_dom_parser::number_unsigned(std::min(value, kMost));
  }
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

// The value at `loc` of the canonical document that is at the first `base_size` parts of it.
std::string_view input_at(const Loc& loc, std::size_t base_size, std::string_view document) {
  std::string_view value = document;
  for (std::size_t i = base_size; i < loc.size(); ++i) {
    const std::vector<std::string_view> items = canonical_items(value);
    if (const auto* index = std::get_if<std::int64_t>(&loc[i])) {
      value = items.at(static_cast<std::size_t>(*index));
      continue;
    }
    const std::string start = canonical_string(std::get<std::string>(loc[i])) + ":";
    const auto member =
        std::ranges::find_if(items, [&](std::string_view item) { return item.starts_with(start); });
    if (member != items.end()) value = member->substr(start.size());
  }
  return value;
}

using SchemaError = valijson::ValidationResults::Error;

// A sentence that only says that there is something wrong further in.
bool is_summary(const SchemaError& error) {
  return error.description.starts_with("Failed to validate item #") ||
         error.description.starts_with("Failed to validate against");
}

// Whether `detail` is what `summary` speaks of: an error below it, and at the member or the item
// that it names. Branches of allOf and its like are judged at the place of the whole.
bool explains(const SchemaError& detail, const SchemaError& summary) {
  const std::size_t depth = summary.context.size();
  if (detail.context.size() < depth ||
      !std::equal(summary.context.begin(), summary.context.end(), detail.context.begin())) {
    return false;
  }
  if (detail.context.size() == depth) {
    return !is_summary(detail) &&
           summary.description.starts_with("Failed to validate against child schema #");
  }
  const std::string& step = detail.context[depth];
  const std::string name = step.substr(1, step.size() - 2);
  const std::string& text = summary.description;
  const bool names_member = text.find(" property name '") != std::string::npos;
  if (names_member) return text.find("'" + name + "'") != std::string::npos;
  const bool names_item = text.find(" item #") != std::string::npos;
  return !names_item || text.find("#" + name + " ") != std::string::npos;
}

// The errors without the summaries of others. Details come before their summaries.
std::vector<SchemaError> details_of(valijson::ValidationResults& results) {
  std::vector<SchemaError> errors;
  SchemaError error;
  while (errors.size() < kMaxSchemaErrors && results.popError(error)) errors.push_back(error);
  std::vector<SchemaError> details;
  std::ranges::copy_if(errors, std::back_inserter(details), [&](const SchemaError& one) {
    return !is_summary(one) || std::ranges::none_of(errors, [&](const SchemaError& other) {
      return explains(other, one);
    });
  });
  return details;
}

// The validator writes every bound with six decimals.
std::string with_short_bound(std::string text) {
  const std::size_t point = text.rfind('.');
  if (!text.starts_with("Expected number ") || point == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

struct EventSchema::Compiled {
  valijson::Schema schema;
  bool matches_text = false;
  bool compares_items = false;

  // Whether anything was found to say about `json`, which is `document`.
  bool explain(const AnyJson& json, std::string_view document, const Loc& loc,
               Faults& faults) const {
    valijson::ValidationResults results;
    valijson::Validator().validate(schema, Adapter(json), &results);
    const std::vector<SchemaError> details = details_of(results);
    for (std::size_t i = 0; i < std::min(details.size(), kMaxSchemaFaults); ++i) {
      const Loc where = place(loc, details[i].context, json);
      faults.add(fault::value_error(
          where, std::string(input_at(where, loc.size(), document)),
          "the event type's schema says: " + with_short_bound(details[i].description)));
    }
    return !details.empty();
  }
};

EventSchema::EventSchema(std::string_view text) : compiled_(std::make_unique<Compiled>()) {
  if (text.size() > kMaxSchemaBytes) throw std::invalid_argument("it is larger than 64 KiB");
  try {
    AnyJson json = AnyJson::parse(text);
    ReferenceWalk(json).walk(json);
    take_over_keywords(json);
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    add_taken_over_keywords(parser);
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
    if (document.size() <= kMaxExplainedBytes && compiled_->explain(json, document, loc, faults))
      return;
  } catch (const std::exception&) {
    return refuse("the event type's schema cannot be applied to it");
  }
  refuse("the event type's schema refuses it");
}

}  // namespace webhookd
