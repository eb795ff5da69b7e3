#include "delivery/lookup_gate.h"

#include <algorithm>
#include <cassert>

namespace webhookd {

LookupGate::Turn LookupGate::enter(TransferId id, const std::string& host) {
  Host& place = hosts_[host];
  const bool host_full = place.looking_up >= per_host_;
  const bool waits = host_full || looking_up_ >= total_;
  const bool is_new =
      visitors_.emplace(id, Visitor{host, waits ? Stage::waiting : Stage::looking_up}).second;
  assert(is_new);
  if (!waits) {
    ++place.looking_up;
    ++looking_up_;
    return Turn::now;
  }
  place.waiting.push_back(id);
  if (!host_full) starved_.push_back(host);
  return Turn::later;
}

std::optional<TransferId> LookupGate::leave(TransferId id) {
  const auto found = visitors_.find(id);
  if (found == visitors_.end()) return std::nullopt;
  const Visitor visitor = std::move(found->second);
  visitors_.erase(found);
  Host& place = hosts_[visitor.host];
  std::optional<TransferId> next;
  switch (visitor.stage) {
    case Stage::waiting:
      std::erase(place.waiting, id);
      break;
    case Stage::looking_up:
      --place.looking_up;
      --looking_up_;
      next = admit_next(visitor.host);
      break;
    case Stage::abandoned:
      --place.looking_up;
      if (looking_up_ < total_) {
        next = admit_from(visitor.host);
      } else if (!place.waiting.empty()) {
        starved_.push_back(visitor.host);
      }
      break;
  }
  drop_if_unused(visitor.host);
  return next;
}

std::optional<TransferId> LookupGate::abandon(TransferId id) {
  const auto found = visitors_.find(id);
  if (found == visitors_.end() || found->second.stage != Stage::looking_up) return leave(id);
  found->second.stage = Stage::abandoned;
  --looking_up_;
  return admit_next(found->second.host);
}

// Hosts that met the total bound come first, or a host with many waiting would keep its places.
std::optional<TransferId> LookupGate::admit_next(const std::string& left_host) {
  while (!starved_.empty()) {
    const std::string host = std::move(starved_.front());
    starved_.pop_front();
    if (const auto next = admit_from(host)) {
      // The place that was left is taken: who waits there now waits for the total as well.
      if (host != left_host && !hosts_[left_host].waiting.empty()) starved_.push_back(left_host);
      return next;
    }
  }
  return admit_from(left_host);
}

std::optional<TransferId> LookupGate::admit_from(const std::string& host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return std::nullopt;
  Host& place = found->second;
  if (place.waiting.empty() || place.looking_up >= per_host_) return std::nullopt;
  const TransferId next = place.waiting.front();
  place.waiting.pop_front();
  visitors_.at(next).stage = Stage::looking_up;
  ++place.looking_up;
  ++looking_up_;
  return next;
}

void LookupGate::drop_if_unused(const std::string& host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  if (found->second.looking_up == 0 && found->second.waiting.empty()) hosts_.erase(found);
}

}  // namespace webhookd
