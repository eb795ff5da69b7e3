#pragma once

// A shard loop over a fake store and a fake sender, stepped by hand.

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "delivery/fake_store.h"
#include "delivery/shard_loop.h"

namespace webhookd {

class FakeSender final : public Sender {
 public:
  void start(TransferId id, SendRequest& request) override {
    started.push_back(request.url);
    running.emplace(id, request);
  }
  void abort(TransferId id) override {
    running.erase(id);
    ++aborted;
  }
  std::vector<SendResult> wait(std::chrono::milliseconds) override { return {}; }
  void wake() override {}

  std::map<TransferId, SendRequest> running;
  std::vector<std::string> started;  // URLs, in order
  int aborted = 0;
};

// Its unit() is one half, so that jitter is zero.
class MiddleRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % 8 == 0 ? 0x80 : 0;
  }
};

class LoopBench final : private TurnSink {
 public:
  explicit LoopBench(ShardLoopOptions options = usual_options()) : options_(std::move(options)) {
    make_loop();
    store.hand_fresh_claims_to([this](std::vector<FreshClaim> claims) {
      if (!mail_is_slow) return loop_->received(std::move(claims), now_);
      std::ranges::move(claims, std::back_inserter(mail_));
    });
  }

  static ShardLoopOptions usual_options() {
    ShardLoopOptions options;
    options.default_schedule = {std::chrono::seconds{5}, std::chrono::seconds{300}};
    options.style = {"ScaiKey-Webhook/1.0", "X-ScaiKey"};
    return options;
  }

  Moment now() const { return now_; }
  ShardLoop& loop() { return *loop_; }

  void adopt(const Endpoint& endpoint) {
    store.put(endpoint);
    loop_->adopt(*store.endpoint(endpoint.id), now_);
  }
  // As restart(), and meanwhile the wall clock is set.
  void restart_with_clock_set(std::chrono::milliseconds by) {
    now_.wall += by;
    restart();
  }
  // The process is killed, with what it has handed in and was not answered, and the next one
  // starts. No attempt may be under way.
  void restart() {
    turns_.clear();
    make_loop();
    std::vector<int> shards(kShardCount);
    std::ranges::copy(std::views::iota(0, kShardCount), shards.begin());
    for (Endpoint& endpoint : store.endpoints(shards)) loop_->adopt(std::move(endpoint), now_);
  }
  void refresh(const WebhookId& id) { loop_->refresh(id, store.endpoint(id), now_); }
  void change(const WebhookId& id, const std::function<void(Endpoint&)>& how) {
    store.change(id, how);
    refresh(id);
  }
  DeliveryId publish(const WebhookId& id, std::string body = "{}") {
    const DeliveryId delivery = store.publish(id, now_.wall, std::move(body));
    if (store.row(delivery).status == DeliveryStatus::pending) loop_->note(id, now_);
    return delivery;
  }
  void publish_many(const WebhookId& id, int count) {
    for (int i = 0; i < count; ++i) publish(id);
  }
  void retry_by_hand(const WebhookId& id, DeliveryId delivery) {
    store.retry_by_hand(delivery, now_.wall);
    loop_->note(id, now_);
  }

  // Steps and lets the store answer until nothing changes any more at this moment.
  void run() {
    for (int i = 0; i < 1000; ++i) {
      sleep_ = loop_->step(now_);
      if (!turns_.empty() && !store_is_slow) {
        answer_store();
      } else if (sleep_ > std::chrono::milliseconds{0}) {
        return;
      }
    }
    FAIL("the loop never comes to rest");
  }
  void answer_store() {
    while (!turns_.empty()) {
      QueueTurn turn = std::move(turns_.front());
      turns_.pop_front();
      TurnAnswer answer;
      answer.given = store.queue_turn(turn, now_.wall + store_clock_);
      answer.asked = turn.claims;
      answer.shifts = turn.shifts;
      answer.results = static_cast<int>(turn.results.size());
      answer.turns = 1;
      loop_->answered(std::move(answer), now_);
    }
  }
  std::size_t waiting_turns() const { return turns_.size(); }
  void bring_mail() { loop_->received(std::exchange(mail_, {}), now_); }

  void advance(std::chrono::milliseconds by) {
    now_.wall += by;
    now_.steady += by;
    run();
  }
  void set_wall_clock(std::chrono::milliseconds by) {
    now_.wall += by;
    run();
  }
  // The recorder reads the clock, too, and may be the first to see that it was set.
  void set_store_clock(std::chrono::milliseconds by) { store_clock_ = by; }
  // The wall clock goes on, the monotonic one does not.
  void sleep_machine(std::chrono::milliseconds by) {
    now_.wall += by;
    now_.slept += by;
    run();
  }

  void end(TransferId id, int status, Headers headers = {}) {
    sender.running.erase(id);
    SendResult result;
    result.id = id;
    result.status = status;
    result.headers = std::move(headers);
    std::vector<SendResult> results;
    results.push_back(std::move(result));
    loop_->ended(std::move(results), now_);
    run();
  }
  // The one that was started first.
  void end_first(int status, Headers headers = {}) {
    REQUIRE_FALSE(sender.running.empty());
    end(sender.running.begin()->first, status, std::move(headers));
  }
  void end_all(int status) {
    while (!sender.running.empty()) end_first(status);
  }
  int running_to(const std::string& url) const {
    int count = 0;
    for (const auto& [id, request] : sender.running) count += request.url == url ? 1 : 0;
    return count;
  }
  int running() const { return static_cast<int>(sender.running.size()); }
  std::chrono::milliseconds sleep() const { return sleep_; }

  FakeStore store;
  FakeSender sender;
  StateBoard board;
  bool store_is_slow = false;
  bool mail_is_slow = false;  // what publications claim comes only with bring_mail()

 private:
  void make_loop() {
    TurnSink& sink = *this;  // nobody else may see us as one
    loop_ = std::make_unique<ShardLoop>(options_, sender, sink, random_, board);
  }
  void submit(QueueTurn turn) override { turns_.push_back(std::move(turn)); }

  Moment now_{from_unix_millis(1'800'000'000'000), Monotonic{std::chrono::hours{1}}};
  std::chrono::milliseconds store_clock_{0};
  MiddleRandom random_;
  std::deque<QueueTurn> turns_;
  std::vector<FreshClaim> mail_;
  std::chrono::milliseconds sleep_{0};
  ShardLoopOptions options_;
  std::unique_ptr<ShardLoop> loop_;
};

}  // namespace webhookd
