#include "api/catalogue.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "api/message_syntax.h"
#include "observe/log.h"
#include "shared/event_pattern.h"

namespace webhookd {
namespace {

constexpr std::chrono::seconds kLoadEvery{1};
constexpr std::string_view kOwnTypes = "webhook.";

std::shared_ptr<const EventSchema> compile(const EventType& type) {
  if (!type.schema) return nullptr;
  try {
    return std::make_shared<const EventSchema>(*type.schema);
  } catch (const std::invalid_argument&) {
    // It was checked when it was added; a stricter version of us must not stop its events.
    log::warn("the schema of event type {} cannot be used and is not enforced", type.name);
    return nullptr;
  }
}

}  // namespace

Catalogue::Snapshot Catalogue::load() {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    generation = generation_;
    next_load_ = clock_.monotonic() + kLoadEvery;
  }
  auto entries = std::make_shared<Entries>();
  for (EventType& type : store_.event_types()) {
    auto schema = compile(type);
    std::string name = type.name;
    entries->emplace(std::move(name), Entry{std::move(type), std::move(schema)});
  }
  const std::lock_guard lock(mutex_);
  // What was read before a change must not be kept after it.
  if (generation == generation_) entries_ = entries;
  return entries;
}

Catalogue::Snapshot Catalogue::snapshot() {
  {
    const std::lock_guard lock(mutex_);
    if (entries_) return entries_;
  }
  return load();
}

Catalogue::Snapshot Catalogue::refreshed() {
  {
    const std::lock_guard lock(mutex_);
    if (clock_.monotonic() < next_load_) return nullptr;
  }
  return load();
}

std::shared_ptr<const Catalogue::Entry> Catalogue::find_in(const Snapshot& entries,
                                                           std::string_view name) {
  const auto found = entries->find(name);
  if (found == entries->end()) return nullptr;
  return {entries, &found->second};
}

std::shared_ptr<const Catalogue::Entry> Catalogue::find(std::string_view name) {
  for (Snapshot entries = snapshot(); entries; entries = refreshed()) {
    if (auto found = find_in(entries, name)) return found;
  }
  return nullptr;
}

std::shared_ptr<const Catalogue::Entry> Catalogue::recall(std::string_view name) {
  Snapshot entries;
  {
    const std::lock_guard lock(mutex_);
    entries = entries_;
  }
  return entries ? find_in(entries, name) : nullptr;
}

std::vector<EventType> Catalogue::all() {
  std::vector<EventType> types;
  const Snapshot entries = load();  // held: another thread's replaces ours while we read
  for (const auto& [name, entry] : *entries) types.push_back(entry.type);
  return types;
}

bool Catalogue::is_matched(std::string_view pattern) {
  for (Snapshot entries = snapshot(); entries; entries = refreshed()) {
    const bool matched = std::any_of(entries->begin(), entries->end(), [&](const auto& entry) {
      return pattern_matches(pattern, entry.first);
    });
    if (matched) return true;
  }
  return false;
}

std::string Catalogue::did_you_mean(std::string_view word, Candidates candidates) {
  std::vector<std::string> known;
  const Snapshot entries = snapshot();
  for (const auto& [type, entry] : *entries) {
    if (candidates == Candidates::published_types && type.starts_with(kOwnTypes)) continue;
    known.push_back(type);
    if (candidates == Candidates::patterns) {
      known.push_back(type.substr(0, type.rfind('.')) + ".*");
    }
  }
  const auto meant = closest(lower_case(word), known);
  return meant ? "; did you mean '" + *meant + "'?" : "";
}

void Catalogue::invalidate() {
  const std::lock_guard lock(mutex_);
  ++generation_;
  entries_ = nullptr;
}

}  // namespace webhookd
