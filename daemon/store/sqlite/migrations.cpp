#include "store/sqlite/migrations.h"

#include <vector>

namespace webhookd {
namespace {

// Times are Unix milliseconds. Numbers for states are those of the enums in shared/model.h.
//
// A pending delivery is stale, and not claimed, when its generation is older than its webhook's.
// Disabling raises the webhook's generation, and so does another tenant or partner: a million
// waiting deliveries stop at once and are settled in batches afterwards. Those of a generation
// before `kept_from` are cancelled, of the others only those whose event the webhook may not have
// any more; the rest gets the new generation. While `cancelling` is 1 there may be stale rows, all
// of them with ids up to `void_through`.
//
// `manual`: the next attempt (or the one in flight) was asked for by hand. `aside`: it had ended
// and was taken up again by hand, so it no longer has a place in the order of an ordered webhook.
constexpr const char* kTables = R"sql(
CREATE TABLE meta(
  key TEXT PRIMARY KEY,
  value ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE webhooks(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  shard INTEGER NOT NULL CHECK(shard BETWEEN 0 AND 63),
  name TEXT NOT NULL,
  description TEXT,
  url TEXT NOT NULL,
  events TEXT NOT NULL,
  status INTEGER NOT NULL CHECK(status BETWEEN 0 AND 2),
  tenant TEXT,
  partner TEXT,
  headers BLOB NOT NULL,
  timeout_seconds INTEGER NOT NULL CHECK(timeout_seconds > 0),
  retry_schedule TEXT,
  max_in_flight INTEGER NOT NULL CHECK(max_in_flight > 0),
  rate_limit REAL,
  ordered INTEGER NOT NULL CHECK(ordered IN (0, 1)),
  metadata TEXT NOT NULL,
  expires_at INTEGER,
  secret_hint TEXT NOT NULL,
  secret_fingerprint TEXT NOT NULL,
  disabled_reason TEXT,
  disabled_at INTEGER,
  generation INTEGER NOT NULL DEFAULT 0,
  kept_from INTEGER NOT NULL DEFAULT 0,
  void_through INTEGER NOT NULL DEFAULT 0,
  cancelling INTEGER NOT NULL DEFAULT 0 CHECK(cancelling IN (0, 1)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX webhooks_name ON webhooks(
  name, ifnull(tenant, ''), tenant IS NULL, ifnull(partner, ''), partner IS NULL
) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_cancelling ON webhooks(seq) WHERE cancelling = 1;
CREATE INDEX webhooks_deleted ON webhooks(seq) WHERE deleted_at IS NOT NULL;
CREATE INDEX webhooks_lease ON webhooks(expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE secrets(
  webhook_seq INTEGER PRIMARY KEY REFERENCES webhooks(seq),
  current BLOB NOT NULL,
  previous BLOB,
  previous_expires_at INTEGER,
  CHECK((previous IS NULL) = (previous_expires_at IS NULL))
) STRICT;

CREATE TABLE health(
  webhook_seq INTEGER PRIMARY KEY REFERENCES webhooks(seq),
  consecutive_failures INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER,
  last_success_at INTEGER,
  last_failure_at INTEGER,
  probes INTEGER NOT NULL DEFAULT 0,
  next_probe_at INTEGER,
  held_until INTEGER
) STRICT;

CREATE TABLE event_types(
  name TEXT PRIMARY KEY,
  description TEXT,
  resource_type TEXT,
  schema TEXT,
  built_in INTEGER NOT NULL CHECK(built_in IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE events(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  tenant TEXT,
  partner TEXT,
  accepted_at INTEGER NOT NULL,
  content_hash BLOB NOT NULL,
  deliveries INTEGER NOT NULL,
  test INTEGER NOT NULL CHECK(test IN (0, 1)),
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_id ON events(event_id, ifnull(tenant, ''), ifnull(partner, ''));

CREATE TABLE deliveries(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook_seq INTEGER NOT NULL REFERENCES webhooks(seq),
  event_seq INTEGER NOT NULL REFERENCES events(seq),
  status INTEGER NOT NULL CHECK(status BETWEEN 0 AND 4),
  generation INTEGER NOT NULL,
  test INTEGER NOT NULL CHECK(test IN (0, 1)),
  manual INTEGER NOT NULL DEFAULT 0 CHECK(manual IN (0, 1)),
  aside INTEGER NOT NULL DEFAULT 0 CHECK(aside IN (0, 1)),
  attempt_count INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  next_attempt_at INTEGER,
  created_at INTEGER NOT NULL,
  completed_at INTEGER,
  response_status INTEGER,
  duration_ms INTEGER,
  error_kind TEXT,
  error_message TEXT,
  CHECK(status <> 0 OR next_attempt_at IS NOT NULL),
  CHECK((status >= 2) = (completed_at IS NOT NULL))
) STRICT;
CREATE INDEX deliveries_list ON deliveries(webhook_seq, id);
CREATE INDEX deliveries_event ON deliveries(event_seq);
CREATE INDEX deliveries_due ON deliveries(webhook_seq, generation, next_attempt_at)
  WHERE status = 0;
CREATE INDEX deliveries_status ON deliveries(webhook_seq, status, id) WHERE status <> 2;
CREATE INDEX deliveries_by_hand ON deliveries(webhook_seq, generation, manual, next_attempt_at)
  WHERE status = 0 AND manual + aside > 0;

CREATE TABLE attempts(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery_id INTEGER NOT NULL REFERENCES deliveries(id),
  number INTEGER NOT NULL,
  trigger INTEGER NOT NULL CHECK(trigger BETWEEN 0 AND 2),
  started_at INTEGER NOT NULL,
  request_headers TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  dns_ms INTEGER,
  connect_ms INTEGER,
  tls_ms INTEGER,
  first_byte_ms INTEGER,
  remote_address TEXT,
  response_status INTEGER,
  response_headers TEXT NOT NULL,
  response_body BLOB NOT NULL,
  error_kind TEXT,
  error_message TEXT,
  next_attempt_at INTEGER
) STRICT;
CREATE INDEX attempts_delivery ON attempts(delivery_id);

CREATE TABLE counters(
  webhook_seq INTEGER NOT NULL REFERENCES webhooks(seq),
  test INTEGER NOT NULL,
  status INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY(webhook_seq, test, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollups(
  webhook_seq INTEGER NOT NULL REFERENCES webhooks(seq),
  resolution INTEGER NOT NULL CHECK(resolution IN (300, 3600)),
  start INTEGER NOT NULL,
  created INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  latency_ms_sum INTEGER NOT NULL,
  codes TEXT NOT NULL,
  latencies TEXT NOT NULL,
  PRIMARY KEY(webhook_seq, resolution, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  remote TEXT NOT NULL,
  request_id TEXT NOT NULL,
  action TEXT NOT NULL,
  webhook_id TEXT,
  detail TEXT NOT NULL
) STRICT;
)sql";

constexpr const char* kBuiltInTypes = R"sql(
INSERT INTO event_types(name, description, resource_type, built_in) VALUES
 ('partner.created', 'A partner was created.', 'partner', 1),
 ('partner.updated', 'A partner was changed.', 'partner', 1),
 ('partner.deleted', 'A partner was deleted.', 'partner', 1),
 ('tenant.created', 'A tenant was created.', 'tenant', 1),
 ('tenant.updated', 'A tenant was changed.', 'tenant', 1),
 ('tenant.deleted', 'A tenant was deleted.', 'tenant', 1),
 ('user.created', 'A user was created.', 'user', 1),
 ('user.updated', 'A user was changed.', 'user', 1),
 ('user.deleted', 'A user was deleted.', 'user', 1),
 ('user.suspended', 'A user was suspended.', 'user', 1),
 ('user.activated', 'A user was activated.', 'user', 1),
 ('user.password_changed', 'A user''s password was changed.', 'user', 1),
 ('user.mfa_enabled', 'A user turned multi-factor authentication on.', 'user', 1),
 ('user.mfa_disabled', 'Multi-factor authentication was turned off for a user.', 'user', 1),
 ('group.created', 'A group was created.', 'group', 1),
 ('group.updated', 'A group was changed.', 'group', 1),
 ('group.deleted', 'A group was deleted.', 'group', 1),
 ('group.member_added', 'A member was added to a group.', 'group', 1),
 ('group.member_removed', 'A member was removed from a group.', 'group', 1),
 ('application.created', 'An application was created.', 'application', 1),
 ('application.updated', 'An application was changed.', 'application', 1),
 ('application.deleted', 'An application was deleted.', 'application', 1),
 ('application.user_assigned', 'A user was given an application.', 'application', 1),
 ('application.user_unassigned', 'An application was taken from a user.', 'application', 1),
 ('session.created', 'A session began.', 'session', 1),
 ('session.revoked', 'A session was revoked.', 'session', 1),
 ('registration.submitted', 'A registration was submitted.', 'registration', 1),
 ('registration.approved', 'A registration was approved.', 'registration', 1),
 ('registration.rejected', 'A registration was rejected.', 'registration', 1),
 ('auth.login_succeeded', 'A login succeeded.', 'auth', 1),
 ('auth.login_failed', 'A login failed.', 'auth', 1),
 ('webhook.test', 'A test that somebody asked for.', 'webhook', 1),
 ('webhook.disabled', 'A webhook was disabled because its endpoint kept failing.', 'webhook', 1),
 ('webhook.recovered', 'A webhook succeeds again after its circuit was open.', 'webhook', 1);
)sql";

constexpr const char* kSecondSchema = R"sql(
ALTER TABLE health ADD COLUMN failing_ms INTEGER NOT NULL DEFAULT 0;
-- It has had another tenant or partner, whose events may be in its history.
ALTER TABLE webhooks ADD COLUMN rebound INTEGER NOT NULL DEFAULT 1 CHECK(rebound IN (0, 1));
-- Where the events are that were accepted in five minutes: those of `start` have a seq within one
-- of its spans, in which others may lie too when the clock was set back.
CREATE TABLE event_spans(
  start INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  PRIMARY KEY(start, first_seq)
) STRICT, WITHOUT ROWID;
INSERT INTO event_spans(start, first_seq, last_seq)
 SELECT accepted_at / 300000 * 300000, min(seq), max(seq) FROM events WHERE test = 0 GROUP BY 1;

CREATE TABLE replays(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook_seq INTEGER NOT NULL REFERENCES webhooks(seq),
  replay_id TEXT NOT NULL,
  through_seq INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  UNIQUE(webhook_seq, replay_id)
) STRICT;
ALTER TABLE deliveries ADD COLUMN replay_seq INTEGER;

-- Whether one webhook has a delivery of an event, however many webhooks have one.
DROP INDEX deliveries_event;
CREATE INDEX deliveries_event ON deliveries(event_seq, webhook_seq);

-- Since when a paused webhook has been paused.
ALTER TABLE webhooks ADD COLUMN paused_at INTEGER;
UPDATE webhooks SET paused_at = updated_at WHERE status = 1;
CREATE INDEX webhooks_paused ON webhooks(paused_at) WHERE paused_at IS NOT NULL;
)sql";

constexpr const char* kThirdSchema = R"sql(
-- What commits have changed in counters, rollups and event_spans and is not folded into them yet:
-- a row each, of a text as Tally has it. To be added to whatever those tables say.
CREATE TABLE tallies(
  seq INTEGER PRIMARY KEY,
  changes TEXT NOT NULL
) STRICT;

-- 1: its delivery would have been tried again, and was cancelled in place of that. What becomes of
-- the delivery later changes nothing of it.
ALTER TABLE attempts ADD COLUMN cancelled INTEGER;
)sql";

constexpr const char* kFourthSchema = R"sql(
-- How far a shift has come whose rows do not fit in one transaction; gone with its last piece.
CREATE TABLE clock_shifts(
  webhook_seq INTEGER PRIMARY KEY REFERENCES webhooks(seq),
  by_ms INTEGER NOT NULL,
  after INTEGER NOT NULL,
  reached_due INTEGER NOT NULL,
  reached_id INTEGER NOT NULL
) STRICT;
)sql";

struct Migration {
  std::vector<const char*> scripts;
};

// Append only: what was released is never changed.
const std::vector<Migration>& migrations() {
  static const std::vector<Migration> all{
      {{kTables, kBuiltInTypes}}, {{kSecondSchema}}, {{kThirdSchema}}, {{kFourthSchema}}};
  return all;
}

void apply(Connection& db, const Migration& migration, int number) {
  db.script("BEGIN IMMEDIATE");
  try {
    for (const char* script : migration.scripts) db.script(script);
    db.script("PRAGMA user_version = " + std::to_string(number) + "; COMMIT");
  } catch (...) {
    if (db.in_transaction()) db.script("ROLLBACK");
    throw;
  }
}

}  // namespace

int newest_schema() { return static_cast<int>(migrations().size()); }

int schema_of(Connection& db) {
  Query query = db.query("PRAGMA user_version");
  query.step();
  return query.small(0);
}

void migrate(Connection& db, int schema) {
  const int found = schema_of(db);
  if (found > newest_schema()) {
    throw StoreError(StoreError::Kind::broken, "the database has schema " + std::to_string(found) +
                                                   " and this webhookd knows schemas up to " +
                                                   std::to_string(newest_schema()) +
                                                   ": start the newer webhookd that made it");
  }
  for (int number = found + 1; number <= schema; ++number) {
    apply(db, migrations()[static_cast<std::size_t>(number - 1)], number);
  }
}

}  // namespace webhookd
