#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/validation.h"

namespace webhookd {

// A JSON Schema (draft 7) that an event type sets for `data`. Immutable and thread-safe.
//
// Schemas come from administrators, documents from anyone, so what would let a document exhaust
// the daemon is refused: recursive and remote references in a schema, references that lead to too
// many parts, patternProperties; and with keywords that cost more than linear time, documents with
// very long strings or arrays. Patterns have RE2's syntax: no look-around, no back-references.
class EventSchema {
 public:
  // `text` is a canonical JSON object. Throws std::invalid_argument with a phrase. Keywords of
  // later drafts are passed over, as draft 7 has it: unenforced_keyword() finds them before a
  // schema is taken on.
  explicit EventSchema(std::string_view text);
  ~EventSchema();
  EventSchema(EventSchema&&) noexcept;
  EventSchema& operator=(EventSchema&&) noexcept;

  // Notes what is wrong with `document` (canonical JSON) at and below `loc`.
  void check(std::string_view document, const Loc& loc, Faults& faults) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace webhookd
