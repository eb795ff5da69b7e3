#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "delivery/sender.h"

namespace webhookd {

// Bounds name lookups, since each takes a thread for as long as it lasts: so many at once for one
// host, so that a host whose name servers hang cannot take all of them, and so many in total.
// Who comes later waits its turn. Not thread-safe.
class LookupGate {
 public:
  LookupGate(int per_host, int total) : per_host_(per_host), total_(total) {}

  enum class Turn { now, later };
  Turn enter(TransferId id, const std::string& host);

  // A lookup is over, or one that waited is given up. Returns who takes its place.
  std::optional<TransferId> leave(TransferId id);

  // Nobody waits for a lookup any more, but its thread goes on until leave(). Meanwhile it counts
  // for its host alone: hosts that hang must not stop all others. Returns who takes its place.
  std::optional<TransferId> abandon(TransferId id);

 private:
  struct Host {
    int looking_up = 0;
    std::deque<TransferId> waiting;
  };
  enum class Stage { waiting, looking_up, abandoned };
  struct Visitor {
    std::string host;
    Stage stage = Stage::waiting;
  };

  std::optional<TransferId> admit_next(const std::string& left_host);
  std::optional<TransferId> admit_from(const std::string& host);
  void drop_if_unused(const std::string& host);

  int per_host_;
  int total_;
  int looking_up_ = 0;
  std::unordered_map<std::string, Host> hosts_;
  std::unordered_map<TransferId, Visitor> visitors_;
  std::deque<std::string> starved_;  // hosts below their own bound that met the total one
};

}  // namespace webhookd
