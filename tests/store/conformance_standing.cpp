// Claims whose places stand: publications fill them.

#include <catch2/catch.hpp>

#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using std::chrono::seconds;

// What the store hands over, in order.
struct Taker {
  explicit Taker(Store& store) : store_(store) {
    store.hand_fresh_claims_to([this](std::vector<FreshClaim> claims) {
      for (FreshClaim& claim : claims) taken.push_back(std::move(claim));
    });
  }
  ~Taker() { store_.hand_fresh_claims_to(nullptr); }
  Taker(const Taker&) = delete;
  Taker& operator=(const Taker&) = delete;

  Ids ids() const {
    Ids ids;
    for (const FreshClaim& claim : taken) {
      for (const ClaimedDelivery& delivery : claim.deliveries) ids.push_back(delivery.id.value);
    }
    return ids;
  }

  std::vector<FreshClaim> taken;

 private:
  Store& store_;
};

Claim claim_standing(StoreFixture& f, const WebhookId& id, int limit, int standing) {
  QueueTurn turn;
  turn.claims.push_back({id, limit, Claimable::any, std::nullopt, standing});
  return f.store().queue_turn(turn, f.now).claims.front();
}

TEST_CASE("a publication fills a place that stands: in flight, handed over, nobody woken") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  CHECK(claim_standing(f, webhook.id, 10, 2).standing == 2);
  const PublishResult published = f.publish(event_of("evt_1"));
  CHECK(published.woken.empty());
  CHECK(published.events.front().deliveries == 1);
  REQUIRE(taker.taken.size() == 1);
  CHECK(taker.taken[0].webhook == webhook.id);
  REQUIRE(taker.taken[0].deliveries.size() == 1);
  const ClaimedDelivery& claimed = taker.taken[0].deliveries[0];
  CHECK(claimed.event_id == "evt_1");
  CHECK(claimed.event_type == "user.created");
  CHECK(claimed.body == event_of("evt_1").body);
  CHECK(claimed.attempt_number == 1);
  CHECK(claimed.max_attempts == 3);
  CHECK(claimed.due == f.now);
  CHECK(f.delivery(claimed.id).status == kInFlight);
  CHECK(f.list(webhook.id, kInFlight).total == 1);
  CHECK(f.claim(webhook.id).deliveries.empty());
  f.finish(webhook.id, claimed, kSucceeded);
  CHECK(f.delivery(claimed.id).status == kSucceeded);
  CHECK(f.list(webhook.id, kInFlight).total == 0);
}

TEST_CASE("a place is filled once; what finds none waits, and so does all that comes after it") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  claim_standing(f, webhook.id, 2, 2);
  f.publish_many(2);
  CHECK(f.publish(event_of("evt_3")).woken == std::vector{webhook.id});
  CHECK(taker.ids() == Ids{1, 2});
  const Claim claim = claim_standing(f, webhook.id, 5, 5);
  CHECK(ids_of(claim) == Ids{3});
  CHECK(claim.standing == 4);
}

TEST_CASE("no more places stand than a claim leaves free or asks for") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  f.publish_many(2);
  CHECK(claim_standing(f, webhook.id, 3, 10).standing == 1);
  CHECK(claim_standing(f, webhook.id, 3, 0).standing == 0);
  f.publish_many(1);
  CHECK(taker.taken.empty());
  CHECK(claim_standing(f, webhook.id, 1, 5).standing == 0);
}

TEST_CASE("a body that is too large waits, and a later small one does not overtake it") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  claim_standing(f, webhook.id, 5, 5);
  NewEvent large = event_of("evt_large");
  large.body = "{\"x\":\"" + std::string(kMostStandingBytes, 'x') + "\"}";
  CHECK(f.publish(large).woken.size() == 1);
  f.publish(event_of("evt_small"));
  CHECK(taker.taken.empty());
  CHECK(ids_of(f.claim(webhook.id)) == Ids{1, 2});
}

TEST_CASE("no place stands while something is due, or for an ordered webhook") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  f.publish_many(3);
  CHECK(claim_standing(f, webhook.id, 2, 2).standing == 0);
  WebhookSettings settings = settings_for("b");
  settings.ordered = true;
  const Webhook ordered = f.add(settings);
  CHECK(claim_standing(f, ordered.id, 1, 1).standing == 0);
  f.publish_many(1);
  CHECK(taker.taken.empty());
}

TEST_CASE("places that stand are void once the webhook is paused, disabled, rebound or ordered") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  const auto change = GENERATE(as<int>{}, 0, 1, 2, 3);
  CAPTURE(change);
  claim_standing(f, webhook.id, 5, 5);
  f.change(webhook.id, [&](WebhookSettings& settings) {
    if (change == 0) settings.status = WebhookStatus::paused;
    if (change == 1) settings.status = WebhookStatus::disabled;
    if (change == 2) settings.binding.tenant_id = "t1";
    if (change == 3) settings.ordered = true;
  });
  f.publish(
      event_of("evt_1", "user.created", {change == 2 ? std::optional("t1") : std::nullopt, {}}));
  CHECK(taker.taken.empty());
}

TEST_CASE("withdrawn places are gone, also when the same turn asked for them") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  QueueTurn turn;
  turn.claims.push_back({webhook.id, 5, Claimable::any, std::nullopt, 5});
  turn.withdrawn.push_back(webhook.id);
  f.store().queue_turn(turn, f.now);
  f.publish_many(1);
  CHECK(taker.taken.empty());
}

TEST_CASE("a call that stores nothing takes no place") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  f.publish(event_of("evt_0"));
  f.claim(webhook.id);
  claim_standing(f, webhook.id, 1, 1);
  NewEvent conflicting = event_of("evt_0");
  conflicting.content_hash = std::string(32, 'y');
  const std::vector<NewEvent> batch{event_of("evt_1"), conflicting};
  REQUIRE_FALSE(f.store().publish(batch, f.now).stored);
  CHECK(taker.taken.empty());
  f.publish(event_of("evt_2"));
  CHECK(taker.taken.size() == 1);
}

TEST_CASE("what was handed over when the daemon ended is interrupted, and sent again") {
  StoreFixture f;
  const Webhook webhook = f.add("a");
  {
    Taker taker(f.store());
    claim_standing(f, webhook.id, 5, 5);
    f.publish_many(1);
    REQUIRE(taker.taken.size() == 1);
  }
  f.restart();
  const Claim claim = f.claim(webhook.id);
  CHECK(ids_of(claim) == Ids{1});
  CHECK(claim.deliveries.front().attempt_number == 2);
  f.publish_many(1);
  CHECK(ids_of(f.claim(webhook.id)) == Ids{2});
}

TEST_CASE("one that was handed over and given back waits for a claim") {
  StoreFixture f;
  Taker taker(f.store());
  const Webhook webhook = f.add("a");
  claim_standing(f, webhook.id, 1, 1);
  f.publish_many(1);
  QueueTurn turn;
  turn.released.push_back(taker.taken.at(0).deliveries.at(0).id);
  f.store().queue_turn(turn, f.now);
  const Claim claim = f.claim(webhook.id);
  CHECK(ids_of(claim) == Ids{1});
  CHECK(claim.deliveries.front().attempt_number == 1);
}

}  // namespace
}  // namespace webhookd::test
