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
  // daemon may have added it. Null when there is none. Throws StoreError.
  std::shared_ptr<const Entry> find(std::string_view name);
  // The same without a look into the store: null also when it is not in memory.
  std::shared_ptr<const Entry> recall(std::string_view name);

  // All, by name, fresh from the store. Throws StoreError.
  std::vector<EventType> all();

  // Whether a pattern matches any type; looks into the store as find() does.
  bool is_matched(std::string_view pattern);

  // What may be meant: types that callers publish, all types, or "user.*" as well as a type.
  enum class Candidates { published_types, types, patterns };
  // "; did you mean 'user.created'?", the end of a sentence that refuses `word`. Empty for a word
  // that is far too long to be meant as any.
  std::string did_you_mean(std::string_view word, Candidates candidates);

  // What is in memory is out of date.
  void invalidate();

 private:
  using Entries = std::map<std::string, Entry, std::less<>>;
  using Snapshot = std::shared_ptr<const Entries>;

  static std::shared_ptr<const Entry> find_in(const Snapshot& entries, std::string_view name);
  Snapshot snapshot();
  // A newer snapshot when one may be had now, else null.
  Snapshot refreshed();
  Snapshot load();

  Store& store_;
  const Clock& clock_;
  std::mutex mutex_;  // guards what follows
  Snapshot entries_;
  Monotonic next_load_{};
  std::uint64_t generation_ = 0;  // of invalidations
};

}  // namespace webhookd
