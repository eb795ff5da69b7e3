#include "api/attempt_streams.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include "api/errors.h"
#include "observe/log.h"
#include "shared/model_json.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostOfADoor = 64;
constexpr milliseconds kReadEvery{50};
constexpr int kReadAtOnce = 2000;
// A stream with more than this unsent gets nothing new until its reader has caught up.
constexpr std::size_t kEnoughUnsent = 256 * 1024;
constexpr seconds kBeatEvery{15};
// Whether the webhooks are there that streams were opened for: each costs a read of some rows.
constexpr seconds kLookForWebhooksEvery{1};
// For a reader who takes nothing of what is there for it.
constexpr seconds kPatience{30};
// A stream's client has nothing to say.
constexpr std::size_t kMostHeard = 16 * 1024;

std::string time_or_null(const std::optional<Timestamp>& time) {
  return time ? fmt::format("\"{}\"", format_rfc3339(*time)) : "null";
}

std::string error_or_null(const std::optional<DeliveryError>& error) {
  if (!error) return "null";
  return fmt::format(R"({{"kind":"{}","message":{}}})", to_string(error->kind),
                     json_quoted(error->message));
}

bool shows(const StreamFilter& filter, const FinishedAttempt& attempt) {
  if (filter.webhook_id && *filter.webhook_id != attempt.webhook) return false;
  if (filter.status && *filter.status != attempt.status) return false;
  if (filter.since && attempt.started_at + attempt.duration < *filter.since) return false;
  return filter.principal.may_see(attempt.webhook_binding) &&
         filter.principal.may_see(attempt.event_binding);
}

}  // namespace

std::string attempt_message(const FinishedAttempt& attempt) {
  const std::string response =
      attempt.response_status ? std::to_string(*attempt.response_status) : "null";
  return fmt::format(
      "event: attempt\nid: {0}\ndata: "
      R"({{"id":{0},"delivery_id":{1},"webhook_id":"{2}","event_id":"{3}","event_type":"{4}",)"
      R"("number":{5},"max_attempts":{6},"trigger":"{7}","started_at":"{8}","duration_ms":{9},)"
      R"("response_status":{10},"error":{11},"next_attempt_at":{12},"status":"{13}"}})"
      "\n\n",
      attempt.id.value, attempt.delivery.value, attempt.webhook.value, attempt.event_id,
      attempt.event_type, attempt.number, attempt.max_attempts, to_string(attempt.trigger),
      format_rfc3339(attempt.started_at), attempt.duration.count(), response,
      error_or_null(attempt.error), time_or_null(attempt.next_attempt_at),
      to_string(attempt.status));
}

AttemptStreams::AttemptStreams(std::size_t connections, Store& store, const Clock& clock)
    : most_of_a_door_(static_cast<int>(std::min(connections / 4, kMostOfADoor))),
      store_(store),
      clock_(clock),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
}

std::shared_ptr<AttemptStreams::Place> AttemptStreams::reserve(Door door) {
  std::atomic<int>& taken = taken_[static_cast<std::size_t>(door)];
  auto place = std::make_shared<Place>(taken);
  return taken > most_of_a_door_ ? nullptr : place;
}

void AttemptStreams::add(FileDescriptor socket, Opening opening) {
  Stream stream;
  stream.socket = std::move(socket);
  stream.unsent = std::move(opening.head);
  stream.opening = std::move(opening);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    new_.push_back(std::move(stream));
    // Most daemons never have a stream.
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  ::eventfd_write(event_.get(), 1);
}

void AttemptStreams::stop() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    thread.swap(thread_);
    new_.clear();
  }
  ::eventfd_write(event_.get(), 1);
  if (thread.joinable()) thread.join();
}

void AttemptStreams::run() {
  while (!stopping_) {
    take_new();
    if (!streams_.empty() && now_ >= read_at_) {
      read_attempts();
      read_at_ = now_ + kReadEvery;
    }
    if (now_ >= looked_at_ + kLookForWebhooksEvery) {
      end_orphaned();
      looked_at_ = now_;
    }
    end_overdue();
    wait();
  }
  streams_.clear();
}

void AttemptStreams::take_new() {
  now_ = clock_.monotonic();
  std::vector<Stream> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(new_);
  }
  for (Stream& stream : taken) {
    stream.progress_at = now_;
    // So that a client has where to go on from even when nothing happens.
    beat(stream);
    flush(stream, now_);
    streams_.push_back(std::move(stream));
  }
}

void AttemptStreams::wait() {
  std::vector<pollfd> watched{{event_.get(), POLLIN, 0}};
  for (const Stream& stream : streams_) {
    const bool waits = stream.sent < stream.unsent.size();
    const int events = waits ? POLLIN | POLLOUT : POLLIN;
    watched.push_back({stream.socket.get(), static_cast<short>(events), 0});
  }
  const milliseconds left = std::chrono::ceil<milliseconds>(read_at_ - now_);
  const int timeout = streams_.empty()
                          ? -1
                          : static_cast<int>(std::clamp(left, milliseconds(0), kReadEvery).count());
  const int ready = ::poll(watched.data(), watched.size(), timeout);
  now_ = clock_.monotonic();
  if (ready <= 0) return;
  eventfd_t ignored = 0;
  if (watched[0].revents != 0) ::eventfd_read(event_.get(), &ignored);
  std::size_t index = 1;
  for (Stream& stream : streams_) serve(stream, watched[index++].revents);
}

void AttemptStreams::serve(Stream& stream, short events) {
  if ((events & (POLLERR | POLLNVAL)) != 0) stream.ended = true;
  if ((events & (POLLIN | POLLHUP)) != 0) {
    char ignored[4096];
    const ssize_t count = ::recv(stream.socket.get(), ignored, sizeof(ignored), MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) stream.ended = true;
    if (count > 0) stream.heard += static_cast<std::size_t>(count);
    if (stream.heard > kMostHeard) stream.ended = true;
  }
  if ((events & POLLOUT) != 0) flush(stream, now_);
}

void AttemptStreams::flush(Stream& stream, Monotonic now) {
  while (stream.sent < stream.unsent.size()) {
    const ssize_t count = ::send(stream.socket.get(), stream.unsent.data() + stream.sent,
                                 stream.unsent.size() - stream.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      stream.ended = errno != EAGAIN && errno != EWOULDBLOCK;
      break;
    }
    stream.sent += static_cast<std::size_t>(count);
    stream.progress_at = now;
  }
  if (stream.sent < stream.unsent.size() && stream.sent < kEnoughUnsent) return;
  // An assigned or erased text would keep the memory that it has.
  stream.unsent = std::string(stream.unsent, stream.sent);
  stream.sent = 0;
}

// One page a round, for the stream that has waited longest and for all that it helps on.
void AttemptStreams::read_attempts() {
  Stream* next = nullptr;
  for (Stream& stream : streams_) {
    if (stream.unsent.size() - stream.sent > kEnoughUnsent || stream.ended) continue;
    if (next == nullptr || stream.read_in < next->read_in) next = &stream;
  }
  if (next == nullptr) return;
  ++round_;
  const AttemptId from = next->opening.after;
  try {
    give(store_.attempts_after(from, kReadAtOnce), from);
  } catch (const StoreError& error) {
    next->read_in = round_;
    log::debug("msg=\"attempts not read for streams\" error=\"{}\"", error.what());
  }
}

void AttemptStreams::give(const AttemptPage& page, AttemptId from) {
  std::vector<std::string> messages(page.items.size());
  for (Stream& stream : streams_) {
    AttemptId& after = stream.opening.after;
    if (after < from || after > page.last) continue;
    if (stream.unsent.size() - stream.sent > kEnoughUnsent) continue;
    for (std::size_t index = 0; index < page.items.size(); ++index) {
      const FinishedAttempt& attempt = page.items[index];
      if (attempt.id <= after || !shows(stream.opening.filter, attempt)) continue;
      if (messages[index].empty()) messages[index] = attempt_message(attempt);
      stream.unsent += messages[index];
    }
    after = page.last;
    stream.read_in = round_;
    flush(stream, now_);
  }
}

// A lease ends without a call of the API, and so does what the store itself removes: nobody but the
// store knows of all.
void AttemptStreams::end_orphaned() {
  try {
    for (Stream& stream : streams_) {
      const StreamFilter& filter = stream.opening.filter;
      if (!filter.webhook_id || stream.ended) continue;
      const auto webhook = store_.find_webhook(*filter.webhook_id);
      if (!webhook || !filter.principal.may_see(webhook->settings.binding)) stream.ended = true;
    }
  } catch (const StoreError& error) {
    log::debug("msg=\"webhooks not looked for by streams\" error=\"{}\"", error.what());
  }
}

void AttemptStreams::beat(Stream& stream) {
  stream.unsent += fmt::format(": heartbeat\nid: {}\n\n", stream.opening.after.value);
  stream.beat_at = now_ + kBeatEvery;
}

void AttemptStreams::end_overdue() {
  const Timestamp now = clock_.now();
  for (Stream& stream : streams_) {
    const bool waits = stream.sent < stream.unsent.size();
    if (!waits) stream.progress_at = now_;
    if (waits && now_ - stream.progress_at > kPatience) stream.ended = true;
    const auto& until = stream.opening.filter.principal.valid_until;
    if (until && *until <= now) stream.ended = true;
    if (!stream.ended && !waits && now_ >= stream.beat_at) {
      beat(stream);
      flush(stream, now_);
    }
  }
  streams_.remove_if([](const Stream& stream) { return stream.ended; });
}

}  // namespace webhookd
