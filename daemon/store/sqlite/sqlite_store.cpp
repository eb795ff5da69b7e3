// Longer than most: each function of the interface, and which thread, connection and transaction
// makes it; what it does is in the files beside it.

#include "store/sqlite/sqlite_store.h"

#include <algorithm>
#include <mutex>

#include "store/seal.h"
#include "store/sqlite/audit.h"
#include "store/sqlite/delivery_rows.h"
#include "store/sqlite/disk_space.h"
#include "store/sqlite/events.h"
#include "store/sqlite/finished_attempts.h"
#include "store/sqlite/lists.h"
#include "store/sqlite/many.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/queue.h"
#include "store/sqlite/readers.h"
#include "store/sqlite/record.h"
#include "store/sqlite/replay.h"
#include "store/sqlite/retention.h"
#include "store/sqlite/state_dir.h"
#include "store/sqlite/stats.h"
#include "store/sqlite/tally_log.h"
#include "store/sqlite/upkeep.h"
#include "store/sqlite/webhooks.h"
#include "store/sqlite/writer.h"

namespace webhookd {
namespace {

// About what a request writes: bounds a group of them.
constexpr std::size_t kSmallWrite = 2048;
constexpr std::size_t kClaimBytes = 256;
// A page each of a row and its indexes: a group holds a batch of those or two, not twenty.
constexpr std::size_t kChangeBytes = 8192;

// For a connection to read with.
constexpr std::chrono::seconds kLongestWait{5};

// How often old rollups are looked for: they age by the hour.
constexpr std::chrono::minutes kRollupUpkeepEvery{10};

// Sealed once with the key, so that another key is noticed before anything is read with it.
constexpr std::string_view kKeyCheck = "key_check";

bool has_sealed_values(Connection& db) {
  Query row = db.query("SELECT 1 FROM meta WHERE key = ?1", kKeyCheck);
  return row.step();
}

// What the directory holds once it is known to be good.
struct Opened {
  std::unique_ptr<StateDirectory> directory;
  std::unique_ptr<Sealer> sealer;
  std::unique_ptr<Connection> db;
  std::vector<DeliveryId> interrupted;  // in flight when the last process ended
};

SealingKey key_for(Connection& db, const StateDirectory& directory, Random& random) {
  auto key = read_key_file(directory.key());
  if (key) return std::move(*key);
  if (has_sealed_values(db)) {
    throw StoreError(StoreError::Kind::broken,
                     "key file " + directory.key().string() +
                         " is missing, and the secrets in the database cannot be read without it: "
                         "bring it back from a backup");
  }
  return make_key_file(directory.key(), random);
}

void check_key(Connection& db, const Sealer& sealer, const StateDirectory& directory) {
  std::string sealed;
  {
    Query row = db.query("SELECT value FROM meta WHERE key = ?1", kKeyCheck);
    if (row.step()) sealed = row.blob(0);
  }
  if (sealed.empty()) {
    db.run("INSERT INTO meta(key, value) VALUES(?1, ?2)", kKeyCheck,
           Blob{sealer.seal("meta", kKeyCheck, kKeyCheck)});
    return;
  }
  try {
    sealer.unseal("meta", kKeyCheck, sealed);
  } catch (const StoreError&) {
    throw StoreError(StoreError::Kind::broken,
                     "key file " + directory.key().string() +
                         " is not the key that the database was written with: bring the right one "
                         "back from a backup");
  }
}

// A start after a failed fsync thereby shows whether the disk works again. A full disk leaves
// everything in the log, where it is safe.
void checkpoint_at_start(Connection& db) {
  try {
    db.checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  } catch (const StoreError& error) {
    if (error.kind() != StoreError::Kind::full) throw;
  }
}

Opened open_database(std::unique_ptr<StateDirectory> directory, Random& random) {
  Opened opened;
  opened.directory = std::move(directory);
  opened.db = std::make_unique<Connection>(opened.directory->database(), Connection::Role::writer);
  checkpoint_at_start(*opened.db);
  migrate(*opened.db);
  opened.sealer = std::make_unique<Sealer>(key_for(*opened.db, *opened.directory, random), random);
  check_key(*opened.db, *opened.sealer, *opened.directory);
  opened.interrupted = find_in_flight(*opened.db);
  return opened;
}

// SQLite cannot tell a full disk from another reason when it has to make its index beside the log.
bool lacks_space(const StoreError& error, const std::filesystem::path& directory) {
  return error.kind() == StoreError::Kind::full ||
         (error.kind() == StoreError::Kind::unavailable && free_bytes(directory) == 0);
}

std::function<std::optional<DiskSpace>()> look_of(const SqliteOptions& options,
                                                  const std::filesystem::path& database) {
  if (options.look_at_disk) return options.look_at_disk;
  return [database] { return disk_space(database); };
}

// Most of this file: each of the store's many calls, in a line or two.
class SqliteStore final : public Store {
  template <typename Work>
  auto write(Work work) {
    return writer_.write(kSmallWrite, work);
  }

 public:
  SqliteStore(Opened opened, const SqliteOptions& options, Timestamp now)
      : directory_(std::move(opened.directory)),
        sealer_(std::move(opened.sealer)),
        writer_(std::move(opened.db), *sealer_,
                static_cast<int>(options.default_schedule.size()) + 1, options.on_broken),
        readers_(
            directory_->database(), std::max(options.readers, 1), kLongestWait,
            [this] { return writer_.holds_lists_back(); }, options.on_broken),
        space_(look_of(options, directory_->database()), options.min_free_bytes),
        sweep_(options.retention),
        interrupted_(std::move(opened.interrupted)) {
    fold_numbers();
    std::vector<WebhookId> nobody_holds_them_yet;
    while (recover(now, nobody_holds_them_yet) == MoreWork::yes) {
    }
  }

  std::variant<Webhook, WebhookFault> create_webhook(const NewWebhook& webhook,
                                                     const ChangeContext& context) override {
    require_room();
    return write([&](Transaction& t) { return webhookd::create_webhook(t, webhook, context); });
  }

  std::optional<Webhook> find_webhook(const WebhookId& id) override {
    return readers_.read(ReadKind::point,
                         [&](Connection& db) { return webhookd::find_webhook(db, *sealer_, id); });
  }

  WebhookPage list_webhooks(const WebhookFilter& filter, const PageRequest& page) override {
    return readers_.read(ReadKind::list, [&](Connection& db) {
      return webhookd::list_webhooks(db, *sealer_, filter, page);
    });
  }

  std::variant<Webhook, WebhookFault> update_webhook(
      const WebhookId& id, const std::function<void(WebhookSettings&)>& change,
      const ChangeContext& context) override {
    return write([&](Transaction& t) { return webhookd::update_webhook(t, id, change, context); });
  }

  bool delete_webhook(const WebhookId& id, const ChangeContext& context) override {
    return write([&](Transaction& t) { return webhookd::delete_webhook(t, id, context); });
  }

  std::optional<Timestamp> rotate_secret(const WebhookId& id, const Secret& secret,
                                         std::chrono::seconds grace,
                                         const ChangeContext& context) override {
    return write(
        [&](Transaction& t) { return webhookd::rotate_secret(t, id, secret, grace, context); });
  }

  std::vector<EventType> event_types() override {
    return readers_.read(ReadKind::point, [](Connection& db) { return load_event_types(db); });
  }

  bool add_event_type(const EventType& type, const ChangeContext& context) override {
    return write([&](Transaction& t) { return webhookd::add_event_type(t.db, type, context); });
  }

  bool remove_event_type(std::string_view name, const ChangeContext& context) override {
    return write([&](Transaction& t) { return webhookd::remove_event_type(t.db, name, context); });
  }

  PublishResult publish(std::span<const NewEvent> events, Timestamp now) override {
    require_room();
    std::size_t bytes = 0;
    for (const NewEvent& event : events) bytes += event.body.size();
    return writer_.write(bytes, [&](Transaction& t) { return webhookd::publish(t, events, now); });
  }

  void publish_later(NewEvent event, Timestamp now, Published done) override {
    require_room();
    struct Job {
      NewEvent event;
      PublishResult result;
      Published done;
    };
    const auto job = std::make_shared<Job>(Job{std::move(event), {}, std::move(done)});
    writer_.submit(
        job->event.body.size(),
        [job, now](Transaction& t) {
          job->result = webhookd::publish(t, {&job->event, 1}, now);
        },
        [job](const std::exception_ptr& failure) { job->done(job->result, failure); });
  }

  std::vector<Event> find_events(std::string_view event_id) override {
    return readers_.read(ReadKind::point,
                         [&](Connection& db) { return webhookd::find_events(db, event_id); });
  }

  std::vector<Delivery> deliveries_of(const Event& event) override {
    return readers_.read(ReadKind::list,
                         [&](Connection& db) { return webhookd::deliveries_of(db, event); });
  }

  DeliveryPage list_deliveries(const DeliveryFilter& filter, const PageRequest& page) override {
    return readers_.read(
        is_search(filter, page) ? ReadKind::search : ReadKind::list,
        [&](Connection& db) { return webhookd::list_deliveries(db, filter, page); });
  }

  std::optional<Delivery> find_delivery(DeliveryId id) override {
    return readers_.read(ReadKind::point, [&](Connection& db) { return load_delivery(db, id); });
  }

  std::optional<DeliveryDetail> delivery_detail(DeliveryId id) override {
    return readers_.read(ReadKind::point, [&](Connection& db) { return load_detail(db, id); });
  }

  RetryOutcome retry_delivery(const WebhookId& webhook, DeliveryId id, RetrySucceeded succeeded,
                              const ChangeContext& context) override {
    return write([&](Transaction& t) {
      return webhookd::retry_delivery(t, webhook, id, succeeded, context);
    });
  }

  CancelOutcome cancel_delivery(const WebhookId& webhook, DeliveryId id,
                                const ChangeContext& context) override {
    return write(
        [&](Transaction& t) { return webhookd::cancel_delivery(t, webhook, id, context); });
  }

  BatchResult change_deliveries(const DeliveryBatch& batch, const BatchSum& so_far,
                                const ChangeContext& context) override {
    const FoundDeliveries found =
        readers_.read(ReadKind::search, [&](Connection& db) { return find_batch(db, batch); });
    return writer_.write(kSmallWrite + kChangeBytes * found.ids.size(), [&](Transaction& t) {
      return change_batch(t, batch, found, so_far, context);
    });
  }

  ReplayResult replay_events(const ReplayBatch& batch, const BatchSum& so_far,
                             const ChangeContext& context) override {
    if (batch.dry_run == DryRun::no) require_room();
    const FoundEvents found = readers_.read(
        ReadKind::search, [&](Connection& db) { return find_events_to_replay(db, batch); });
    return writer_.write(kSmallWrite + kChangeBytes * found.seqs.size(), [&](Transaction& t) {
      return replay_batch(t, batch, found, so_far, context);
    });
  }

  std::optional<ClaimedDelivery> begin_test(const WebhookId& webhook, const NewEvent& event,
                                            const ChangeContext& context) override {
    return write([&](Transaction& t) { return webhookd::begin_test(t, webhook, event, context); });
  }

  std::vector<Endpoint> endpoints(std::span<const int> shards) override {
    return readers_.read(ReadKind::point,
                         [&](Connection& db) { return load_endpoints(db, *sealer_, shards); });
  }

  std::optional<Endpoint> endpoint(const WebhookId& id) override {
    return readers_.read(ReadKind::point,
                         [&](Connection& db) { return load_endpoint(db, *sealer_, id); });
  }

  QueueTurnResult queue_turn(const QueueTurn& turn, Timestamp now) override {
    std::size_t bytes = kSmallWrite;
    for (const AttemptResult& result : turn.results) {
      bytes += kSmallWrite + result.attempt.response_body.size();
    }
    for (const ClaimRequest& claim : turn.claims) {
      bytes += kClaimBytes * static_cast<std::size_t>(std::max(claim.limit, 0));
    }
    return writer_.write(bytes, [&](Transaction& t) { return make_turn(t, turn, now); });
  }

  void hand_fresh_claims_to(FreshClaims taker) override {
    writer_.hand_fresh_claims_to(std::move(taker));
  }

  AttemptPage attempts_after(AttemptId after, int limit) override {
    return readers_.read(ReadKind::list,
                         [&](Connection& db) { return load_attempts_after(db, after, limit); });
  }

  AttemptId newest_attempt() override {
    return readers_.read(ReadKind::point, [](Connection& db) { return load_newest_attempt(db); });
  }

  AttemptId attempt_before(Timestamp since) override {
    return readers_.read(ReadKind::list,
                         [&](Connection& db) { return find_attempt_before(db, since); });
  }

  std::optional<Stats> stats(const WebhookId& id, std::chrono::hours window,
                             Timestamp now) override {
    return readers_.read(ReadKind::list,
                         [&](Connection& db) { return load_stats(db, *sealer_, id, window, now); });
  }

  StoreStatus status() override {
    StoreStatus status = readers_.read(
        ReadKind::list, [&](Connection& db) { return load_status(db, directory_->database()); });
    status.has_room = has_room();
    status.min_free_bytes = space_.least();
    return status;
  }

  void check_writable(Timestamp now) override {
    write([&](Transaction& t) {
      t.db.run("REPLACE INTO meta(key, value) VALUES('writable_at', ?1)", now);
    });
  }

  bool has_room() override { return space_.has_room(std::chrono::steady_clock::now()); }

  MoreWork do_housekeeping(Timestamp now, std::vector<WebhookId>& changed) override;

  std::vector<AuditEntry> audit(std::optional<std::int64_t> before_id, int limit) override {
    return readers_.read(ReadKind::list,
                         [&](Connection& db) { return load_audit(db, before_id, limit); });
  }

  void add_audit(std::string_view action, const std::string& detail,
                 const ChangeContext& context) override {
    write([&](Transaction& t) { write_audit(t.db, context, action, std::nullopt, detail); });
  }

 private:
  MoreWork recover(Timestamp now, std::vector<WebhookId>& changed);
  void fold_numbers();
  bool rollup_upkeep_due(Timestamp now);
  MoreWork give_space_back();

  void require_room() {
    if (has_room()) return;
    throw StoreError(StoreError::Kind::low_space, "store: less is free than is to be kept");
  }

  // Released last: nobody else may open the directory before everything is closed.
  std::unique_ptr<StateDirectory> directory_;
  std::unique_ptr<Sealer> sealer_;
  Writer writer_;
  Readers readers_;
  SpaceWatch space_;
  Sweep sweep_;

  // Guarded by upkeep_mutex_.
  std::mutex upkeep_mutex_;
  std::optional<Timestamp> rollups_looked_at_;

  // Guarded by recovery_mutex_, which is held while some of them are made pending again.
  std::mutex recovery_mutex_;
  std::vector<DeliveryId> interrupted_;  // still in flight, and nobody's
};

// Each piece is a transaction of its own, so that publishing gets in between.
MoreWork SqliteStore::do_housekeeping(Timestamp now, std::vector<WebhookId>& changed) {
  bool more = false;
  // True when it changed webhooks: the caller hears of those before another piece can fail.
  const auto make = [&](auto piece) {
    std::vector<WebhookId> touched;
    const MoreWork left = write([&](Transaction& t) {
      touched.clear();
      return piece(t, touched);
    });
    more = more || left == MoreWork::yes;
    changed.insert(changed.end(), touched.begin(), touched.end());
    return !touched.empty();
  };
  if (recover(now, changed) == MoreWork::yes) return MoreWork::yes;
  if (make([&](Transaction& t, auto& touched) { return end_leases(t, now, touched); }) ||
      make([&](Transaction& t, auto& touched) { return settle_left_over(t, now, touched); }) ||
      make([&](Transaction& t, auto&) { return remove_deleted(t, now - sweep_.kept().events); })) {
    return MoreWork::yes;
  }
  if (rollup_upkeep_due(now)) {
    fold_numbers();  // what is old among them goes as well
    const MoreWork left = write([&](Transaction& t) {
      remove_old_spans(t);
      return remove_old_rollups(t, now);
    });
    more = more || left == MoreWork::yes;
    const std::lock_guard lock(upkeep_mutex_);
    if (left == MoreWork::no) rollups_looked_at_ = now;
  }
  if (sweep_.go_on(readers_, writer_, now, changed) == MoreWork::yes) return MoreWork::yes;
  if (give_space_back() == MoreWork::yes) return MoreWork::yes;
  fold_numbers();
  return more ? MoreWork::yes : MoreWork::no;
}

// Only once the sweep rests: until then what is published meanwhile takes the pages again.
MoreWork SqliteStore::give_space_back() {
  writer_.tidy_log();
  const bool is_worth_it =
      readers_.read(ReadKind::point, [](Connection& db) { return has_space_to_give(db); });
  if (!is_worth_it) return MoreWork::no;
  write([](Transaction& t) { webhookd::give_space_back(t.db); });
  return MoreWork::yes;
}

// While the disk is full they stay in the log, where readers find them. Where nothing is to be
// folded nothing is written.
void SqliteStore::fold_numbers() {
  try {
    write([](Transaction& t) { fold_tallies(t.db); });
  } catch (const StoreError& error) {
    if (error.kind() != StoreError::Kind::full) throw;
  }
}

// While the disk is full they stay as they are, and the next housekeeping tries again.
MoreWork SqliteStore::recover(Timestamp now, std::vector<WebhookId>& changed) {
  const std::lock_guard lock(recovery_mutex_);
  if (interrupted_.empty()) return MoreWork::no;
  try {
    std::vector<WebhookId> touched;
    const std::size_t made = write([&](Transaction& t) {
      touched.clear();
      return recover_in_flight(t, interrupted_, now, touched);
    });
    interrupted_.resize(interrupted_.size() - made);
    changed.insert(changed.end(), touched.begin(), touched.end());
    return MoreWork::yes;
  } catch (const StoreError& error) {
    if (error.kind() != StoreError::Kind::full) throw;
    return MoreWork::no;
  }
}

bool SqliteStore::rollup_upkeep_due(Timestamp now) {
  const std::lock_guard lock(upkeep_mutex_);
  // A clock that was set back must not put it off for long.
  return !rollups_looked_at_ || now < *rollups_looked_at_ ||
         now - *rollups_looked_at_ >= kRollupUpkeepEvery;
}

}  // namespace

std::unique_ptr<Store> open_sqlite_store(const SqliteOptions& options, Random& random,
                                         Timestamp now) {
  auto directory = std::make_unique<StateDirectory>(options.state_dir);
  directory->make_database_file();
  try {
    return std::make_unique<SqliteStore>(open_database(std::move(directory), random), options, now);
  } catch (const StoreError& error) {
    if (!lacks_space(error, options.state_dir)) throw;
    throw StoreError(error.kind(), std::string(error.what()) +
                                       ": no space is left for the state directory " +
                                       options.state_dir.string() +
                                       "; free some on its file system, or choose another with "
                                       "--state-dir");
  }
}

}  // namespace webhookd
