#include "delivery/loop_thread.h"

#include <csignal>
#include <iterator>
#include <utility>

namespace webhookd {
namespace {

constexpr std::chrono::seconds kAliveFor{5};

// TLS writes to sockets that a receiver may have closed; that is an error, not the end of us.
void block_sigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

LoopThread::LoopThread(const ShardLoopOptions& options, std::unique_ptr<Sender> sender,
                       Store& store, const Clock& clock, Random& random,
                       std::vector<Endpoint> endpoints,
                       std::function<void(std::span<const WebhookId>)> on_woken,
                       std::function<void(const std::string&)> on_broken)
    : clock_(clock),
      on_woken_(std::move(on_woken)),
      sender_(std::move(sender)),
      recorder_(
          store, clock, [this](TurnAnswer answer) { take_answer(std::move(answer)); },
          std::move(on_broken)),
      loop_(options, *sender_, recorder_, random, board_) {
  const Moment start = now();
  for (Endpoint& endpoint : endpoints) loop_.adopt(std::move(endpoint), start);
  publish_status();
}

LoopThread::~LoopThread() { stop(); }

void LoopThread::start() {
  thread_ = std::thread([this] { run(); });
}

bool LoopThread::mail_is_first() { return !std::exchange(has_mail_, true); }

void LoopThread::note(std::span<const WebhookId> webhooks) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    mail_.notes.insert(webhooks.begin(), webhooks.end());
    wake = mail_is_first();
  }
  if (wake) sender_->wake();
}

void LoopThread::hand_over(std::vector<FreshClaim> claims) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;  // as those in hand: the next start finds them in flight
    mail_.fresh.insert(mail_.fresh.end(), std::make_move_iterator(claims.begin()),
                       std::make_move_iterator(claims.end()));
    wake = mail_is_first();
  }
  if (wake) sender_->wake();
}

LoopThread::Posted LoopThread::post(Command command) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Posted::stopped;
    mail_.commands.push_back(std::move(command));
    wake = mail_is_first();
  }
  if (wake) sender_->wake();
  return Posted::yes;
}

void LoopThread::take_answer(TurnAnswer answer) {
  if (!answer.given.woken.empty()) on_woken_(answer.given.woken);
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    mail_.answers.push_back(std::move(answer));
    wake = mail_is_first();
  }
  if (wake) sender_->wake();
}

LoopStatus LoopThread::status() const {
  const Monotonic last{Monotonic::duration{last_turn_.load()}};
  LoopStatus status;
  status.alive = !stopping_ && clock_.monotonic() - last < kAliveFor;
  status.endpoints = endpoints_;
  status.in_flight = in_flight_;
  status.unrecorded = unrecorded_;
  status.open_circuits = open_circuits_;
  return status;
}

void LoopThread::stop_starting() {
  {
    // At once: a loop that came round in between would be idle, and then start something.
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    draining_ = true;
    mail_.commands.emplace_back([](ShardLoop& loop, Moment now) { loop.stop_starting(now); });
    has_mail_ = true;
  }
  sender_->wake();
}

bool LoopThread::wait_until_idle(Monotonic deadline) {
  std::unique_lock lock(mutex_);
  return became_idle_.wait_until(lock, deadline, [this] { return idle_ || closed_; });
}

void LoopThread::stop() {
  stopping_ = true;
  sender_->wake();
  if (thread_.joinable()) thread_.join();
  recorder_.stop();
}

// ---- on the loop's thread ---------------------------------------------------------------------

void LoopThread::run() {
  block_sigpipe();
  while (!stopping_) {
    Mail mail;
    {
      const std::lock_guard lock(mutex_);
      mail = std::exchange(mail_, {});
      has_mail_ = false;
    }
    handle(std::move(mail));
    const std::chrono::milliseconds sleep = loop_.step(now());
    publish_status();
    std::vector<SendResult> ended = sender_->wait(sleep);
    if (!ended.empty()) loop_.ended(std::move(ended), now());
  }
  Mail rest;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    rest = std::exchange(mail_, {});
  }
  became_idle_.notify_all();
  // Callers wait for their commands, and for their tests.
  loop_.stop_starting(now());
  for (const Command& command : rest.commands) command(loop_, now());
  loop_.abandon_tests(now());
}

void LoopThread::handle(Mail mail) {
  const Moment moment = now();
  if (!mail.fresh.empty()) loop_.received(std::move(mail.fresh), moment);
  // Answers first: commands that come after them know more.
  for (TurnAnswer& answer : mail.answers) loop_.answered(std::move(answer), moment);
  for (const Command& command : mail.commands) command(loop_, moment);
  for (const WebhookId& webhook : mail.notes) loop_.note(webhook, moment);
}

void LoopThread::publish_status() {
  const LoopCounts counts = loop_.counts();
  endpoints_ = counts.endpoints;
  in_flight_ = counts.in_flight;
  unrecorded_ = counts.unrecorded;
  open_circuits_ = counts.open_circuits;
  last_turn_ = clock_.monotonic().time_since_epoch().count();
  const std::lock_guard lock(mutex_);
  if (!draining_ || idle_ || has_mail_ || !loop_.is_idle()) return;
  idle_ = true;
  became_idle_.notify_all();
}

}  // namespace webhookd
