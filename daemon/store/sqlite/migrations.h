#pragma once

#include <string>

#include "store/sqlite/connection.h"

namespace webhookd {

// The number of the newest schema that this program knows.
int newest_schema();

// The number of the schema in the database; 0 when it is empty.
int schema_of(Connection& db);

// Brings the schema up to `schema`, one transaction a step. Throws StoreError when the database is
// newer than this program.
void migrate(Connection& db, int schema = newest_schema());

}  // namespace webhookd
