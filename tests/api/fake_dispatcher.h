#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "delivery/dispatcher.h"

namespace webhookd {

// Notes what it is told, and sends nothing. Refuses the literal 169.254.169.254.
class FakeDispatcher final : public Dispatcher {
 public:
  std::vector<WebhookId> notified;
  std::vector<WebhookId> refreshed;
  std::vector<std::pair<WebhookId, NewEvent>> tests;
  std::variant<AttemptResult, TestFault> test_result = TestFault::not_found;
  std::optional<std::string> diagnosis;
  std::vector<LoopStatus> loop_status{{0, true, 0, 0, 0, 0}};

  void notify(std::span<const WebhookId> webhooks) override {
    notified.insert(notified.end(), webhooks.begin(), webhooks.end());
  }
  void refresh(const WebhookId& webhook) override { refreshed.push_back(webhook); }
  void catch_up() override {}
  std::optional<EndpointState> state(const WebhookId& /*webhook*/) const override {
    return std::nullopt;
  }
  std::variant<AttemptResult, TestFault> send_test(const WebhookId& webhook, const NewEvent& event,
                                                   const ChangeContext& /*context*/) override {
    tests.emplace_back(webhook, event);
    return test_result;
  }
  std::optional<std::string> refused_literal(const Url& url) const override {
    if (url.host != "169.254.169.254") return std::nullopt;
    return "the address 169.254.169.254 is not allowed";
  }
  std::optional<std::string> diagnose(const Delivery& /*delivery*/,
                                      std::span<const Attempt> /*attempts*/,
                                      std::chrono::seconds /*timeout*/) const override {
    return diagnosis;
  }
  std::vector<LoopStatus> loops() const override { return loop_status; }
  void drain(std::chrono::milliseconds /*timeout*/) override {}
};

}  // namespace webhookd
