#pragma once

// What goes between a shard loop and the store.

#include "store/store.h"

namespace webhookd {

struct TurnAnswer {
  std::vector<ClaimRequest> asked;
  std::vector<ClockShift> shifts;  // asked for
  QueueTurnResult given;           // one claim and one piece for each, in order
  int results = 0;                 // attempts that are now recorded
  int turns = 0;                   // as submitted
};

// Makes one turn of two, as if `later` had been handed in right after.
void merge(QueueTurn& turn, QueueTurn later);

// Takes turns to the store in the order they were submitted, many as one where it can.
class TurnSink {
 public:
  virtual ~TurnSink() = default;
  // Never blocks.
  virtual void submit(QueueTurn turn) = 0;
};

}  // namespace webhookd
