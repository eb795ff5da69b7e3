// A store that cannot do what it is asked: 503, when to come again, and no word of what went wrong.

#include <catch2/catch.hpp>

#include "api/authorization_table.h"

namespace webhookd {
namespace {

// Throws from every method while it is in trouble, and has nothing in it.
class TroubledStore final : public Store {
 public:
  std::optional<StoreError::Kind> trouble = StoreError::Kind::unavailable;
  bool room = true;

  std::variant<Webhook, WebhookFault> create_webhook(const NewWebhook&,
                                                     const ChangeContext&) override {
    return fail(WebhookFault::not_found);
  }
  std::optional<Webhook> find_webhook(const WebhookId&) override { return fail(std::nullopt); }
  WebhookPage list_webhooks(const WebhookFilter&, const PageRequest&) override {
    return fail(WebhookPage{});
  }
  std::variant<Webhook, WebhookFault> update_webhook(const WebhookId&,
                                                     const std::function<void(WebhookSettings&)>&,
                                                     const ChangeContext&) override {
    return fail(WebhookFault::not_found);
  }
  bool delete_webhook(const WebhookId&, const ChangeContext&) override { return fail(false); }
  std::optional<Timestamp> rotate_secret(const WebhookId&, const Secret&, std::chrono::seconds,
                                         const ChangeContext&) override {
    return fail(std::nullopt);
  }
  std::vector<EventType> event_types() override { return fail(std::vector<EventType>{}); }
  bool add_event_type(const EventType&, const ChangeContext&) override { return fail(false); }
  bool remove_event_type(std::string_view, const ChangeContext&) override { return fail(false); }
  PublishResult publish(std::span<const NewEvent>, Timestamp) override {
    return fail(PublishResult{});
  }
  void publish_later(NewEvent, Timestamp, Published done) override {
    try {
      done(fail(PublishResult{}), nullptr);
    } catch (const StoreError&) {
      done({}, std::current_exception());
    }
  }
  std::vector<Event> find_events(std::string_view) override { return fail(std::vector<Event>{}); }
  std::vector<Delivery> deliveries_of(const Event&) override {
    return fail(std::vector<Delivery>{});
  }
  DeliveryPage list_deliveries(const DeliveryFilter&, const PageRequest&) override {
    return fail(DeliveryPage{});
  }
  std::optional<Delivery> find_delivery(DeliveryId) override { return fail(std::nullopt); }
  AttemptPage attempts_after(AttemptId, int) override { return fail(AttemptPage()); }
  AttemptId newest_attempt() override { return fail(AttemptId()); }
  AttemptId attempt_before(Timestamp) override { return fail(AttemptId()); }
  std::optional<DeliveryDetail> delivery_detail(DeliveryId) override { return fail(std::nullopt); }
  RetryOutcome retry_delivery(const WebhookId&, DeliveryId, RetrySucceeded,
                              const ChangeContext&) override {
    return fail(RetryOutcome::not_found);
  }
  CancelOutcome cancel_delivery(const WebhookId&, DeliveryId, const ChangeContext&) override {
    return fail(CancelOutcome::not_found);
  }
  BatchResult change_deliveries(const DeliveryBatch&, const BatchSum&,
                                const ChangeContext&) override {
    return fail(BatchResult{});
  }
  ReplayResult replay_events(const ReplayBatch&, const BatchSum&, const ChangeContext&) override {
    return fail(ReplayResult{});
  }
  std::optional<ClaimedDelivery> begin_test(const WebhookId&, const NewEvent&,
                                            const ChangeContext&) override {
    return fail(std::nullopt);
  }
  std::vector<Endpoint> endpoints(std::span<const int>) override {
    return fail(std::vector<Endpoint>{});
  }
  std::optional<Endpoint> endpoint(const WebhookId&) override { return fail(std::nullopt); }
  void hand_fresh_claims_to(FreshClaims) override {}
  QueueTurnResult queue_turn(const QueueTurn&, Timestamp) override {
    return fail(QueueTurnResult{});
  }
  std::optional<Stats> stats(const WebhookId&, std::chrono::hours, Timestamp) override {
    return fail(std::nullopt);
  }
  StoreStatus status() override { return fail(StoreStatus{}); }
  void check_writable(Timestamp) override { fail(true); }
  bool has_room() override { return room; }
  MoreWork do_housekeeping(Timestamp, std::vector<WebhookId>&) override {
    return fail(MoreWork::no);
  }
  std::vector<AuditEntry> audit(std::optional<std::int64_t>, int) override {
    return fail(std::vector<AuditEntry>{});
  }
  void add_audit(std::string_view, const std::string&, const ChangeContext&) override {
    fail(true);
  }

 private:
  template <typename Result>
  Result fail(Result empty) const {
    if (trouble) throw StoreError(*trouble, "disk I/O error in /var/lib/webhookd/store.db");
    return empty;
  }
};

// An API over it in place of the fixture's own store.
TroubledStore& put_in_trouble(ApiFixture& api) {
  auto owned = std::make_unique<TroubledStore>();
  TroubledStore& store = *owned;
  ApiOptions options;
  options.token_key = api.folder / "token.key";
  api.handler = std::make_unique<Handler>(options, store, api.dispatcher, api.clock, api.random);
  api.store = std::move(owned);
  return store;
}

bool needs_store(const RouteRow& row) {
  return row.pattern != "/healthz" && row.pattern != "/api/v1/version";
}

}  // namespace

TEST_CASE("while the store is in trouble every route that needs it answers 503 and Retry-After") {
  ApiFixture api;
  const Asking local_root{"root", root()};
  const Thing thing{"any", {}, "whk_0123456789abcdef", "1", "evt_1"};
  TroubledStore& store = put_in_trouble(api);
  for (const auto kind : {StoreError::Kind::full, StoreError::Kind::low_space,
                          StoreError::Kind::unavailable, StoreError::Kind::broken}) {
    store.trouble = kind;
    for (const RouteRow& row : rows()) {
      INFO(row.method << " " << row.pattern);
      const Reply reply = ask(api, local_root, row, thing, Naming::silent);
      INFO(reply.response.body);
      if (!needs_store(row)) {
        CHECK(reply.status == row.ok);
        continue;
      }
      CHECK(reply.status == 503);
      CHECK(std::stoi(reply.header("Retry-After")) > 0);
      CHECK(reply.json.size() == 1);
      CHECK_FALSE(reply.detail().empty());
      CHECK(reply.response.body.find("/var/lib") == std::string::npos);
      CHECK(reply.response.body.find("I/O") == std::string::npos);
    }
  }
}

TEST_CASE("a daemon whose store takes no writes is alive but not ready, until it does again") {
  ApiFixture api;
  TroubledStore& store = put_in_trouble(api);
  for (const Caller& caller : {root(), anonymous()}) {
    const Reply reply = api.send("GET", "/readyz", "", caller);
    CHECK(reply.status == 503);
    CHECK(std::stoi(reply.header("Retry-After")) > 0);
    CHECK(reply.response.body.find("/var/lib") == std::string::npos);
    CHECK(api.send("GET", "/healthz", "", caller).status == 200);
  }
  store.trouble.reset();
  // Looked up at most once a second, whoever asks.
  CHECK(api.send("GET", "/readyz").status == 503);
  api.clock.advance(std::chrono::seconds{1});
  CHECK(api.send("GET", "/readyz").status == 200);
}

TEST_CASE(
    "a daemon that takes no events for want of space says so when it is asked if it is ready") {
  ApiFixture api;
  TroubledStore& store = put_in_trouble(api);
  store.trouble.reset();
  store.room = false;
  const Reply reply = api.send("GET", "/readyz");
  CHECK(reply.status == 503);
  CHECK(std::stoi(reply.header("Retry-After")) > 0);
  CHECK_THAT(reply.detail(), Catch::Contains("min_free_space"));
  store.room = true;
  api.clock.advance(std::chrono::seconds{1});
  CHECK(api.send("GET", "/readyz").status == 200);
}

TEST_CASE("a daemon with a delivery loop that does not turn is not ready") {
  ApiFixture api;
  REQUIRE(api.send("GET", "/readyz").status == 200);
  for (const std::vector<LoopStatus>& loops :
       {std::vector<LoopStatus>{},
        std::vector<LoopStatus>{{0, true, 0, 0, 0, 0}, {1, false, 0, 0, 0, 0}}}) {
    api.dispatcher.loop_status = loops;
    api.clock.advance(std::chrono::seconds{1});
    const Reply reply = api.send("GET", "/readyz");
    CHECK(reply.status == 503);
    CHECK(std::stoi(reply.header("Retry-After")) > 0);
    CHECK(api.send("GET", "/healthz").status == 200);
  }
}

}  // namespace webhookd
