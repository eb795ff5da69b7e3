#pragma once

#include "store/sqlite/connection.h"
#include "store/store.h"

namespace webhookd {

AttemptPage load_attempts_after(Connection& db, AttemptId after, int limit);
AttemptId load_newest_attempt(Connection& db);
AttemptId find_attempt_before(Connection& db, Timestamp since);

}  // namespace webhookd
