#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/event_schema.h"
#include "shared/model.h"
#include "shared/time.h"
#include "store/store.h"

namespace webhookd {

// The event types, kept in memory: publishing asks for one every time. Thread-safe.
class Catalogue {
 public:
  struct Entry {
    EventType type;
    std::shared_ptr<const EventSchema> schema;  // null: anything goes
  };

  // `store` and `clock` must outlive it.
  Catalogue(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // A type that is not in memory is looked for in the store, at most once a second: another
  // daemon may have added it. Throws StoreError.
  std::optional<Entry> find(std::string_view name);

  // All, by name, fresh from the store. Throws StoreError.
  std::vector<EventType> all();

  // Whether a pattern matches any type; looks into the store as find() does.
  bool is_matched(std::string_view pattern);

  // "unknown event type" and the nearest known one.
  std::string unknown_type_text(std::string_view name);
  // The same for a pattern, "user.*" being as near as a type.
  std::string unmatched_pattern_text(std::string_view pattern);

  // What is in memory is out of date.
  void invalidate();

 private:
  using Entries = std::map<std::string, Entry, std::less<>>;
  enum class Patterns { yes, no };
  using Snapshot = std::shared_ptr<const Entries>;

  Snapshot snapshot();
  // A newer snapshot when one may be had now, else null.
  Snapshot refreshed();
  Snapshot load();
  std::string did_you_mean(std::string_view word, Patterns patterns);

  Store& store_;
  const Clock& clock_;
  std::mutex mutex_;  // guards what follows
  Snapshot entries_;
  Monotonic next_load_{};
  std::uint64_t generation_ = 0;  // of invalidations
};

}  // namespace webhookd
