#pragma once

// Streams of finished attempts as server-sent events (WHATWG HTML, section 9.2).
//
// One thread writes to all streams: a stream is a socket, a filter and the id of the attempt that
// it has come to. The thread looks for new attempts 20 times a second while there is any stream;
// finding none costs one look into an index. Nobody has to tell it, so recording attempts costs
// nothing more, and a reader who is slow or comes back holds nothing but its id.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/file_descriptor.h"
#include "api/principal.h"
#include "shared/time.h"
#include "store/store.h"

namespace webhookd {

// What one stream shows.
struct StreamFilter {
  Principal principal;  // until its valid_until
  std::optional<WebhookId> webhook_id;
  std::optional<DeliveryStatus> status;  // of the delivery after the attempt
  std::optional<Timestamp> since;        // ended at or after
};

// `event: attempt` with the attempt as one line of JSON, as it goes over the wire.
std::string attempt_message(const FinishedAttempt& attempt);

// Thread-safe.
class AttemptStreams {
 public:
  enum class Door { socket, tcp };

  // `connections` is what each door may have besides: of few open files streams take few. `store`
  // and `clock` must outlive it.
  AttemptStreams(std::size_t connections, Store& store, const Clock& clock);
  AttemptStreams(const AttemptStreams&) = delete;
  AttemptStreams& operator=(const AttemptStreams&) = delete;
  ~AttemptStreams() { stop(); }

  // Held by a stream from the request on; gives its place back when it goes.
  class Place {
   public:
    explicit Place(std::atomic<int>& taken) : taken_(taken) { ++taken_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { --taken_; }

   private:
    std::atomic<int>& taken_;
  };
  // Null when the door has no more.
  std::shared_ptr<Place> reserve(Door door);

  struct Opening {
    std::shared_ptr<Place> place;
    StreamFilter filter;
    AttemptId after;   // shows those with higher ids
    std::string head;  // of the answer
  };
  // Sends the head and then what there is, until the reader leaves, its token expires, the webhook
  // that it is for is gone or no longer the principal's to see (a second later at most), or stop().
  void add(FileDescriptor socket, Opening opening);

  // Closes all streams. Idempotent.
  void stop();

 private:
  struct Stream {
    FileDescriptor socket;
    Opening opening;
    std::string unsent;
    std::size_t sent = 0;  // of unsent
    std::size_t heard = 0;
    std::uint64_t read_in = 0;  // the round in which it last got attempts
    Monotonic progress_at{};
    Monotonic beat_at{};
    bool ended = false;
  };

  void run();
  void take_new();
  void wait();
  void serve(Stream& stream, short events);
  static void flush(Stream& stream, Monotonic now);
  void read_attempts();
  void give(const AttemptPage& page, AttemptId from);
  // Those for one webhook that would not be opened any more.
  void end_orphaned();
  void beat(Stream& stream);
  void end_overdue();

  const int most_of_a_door_;
  Store& store_;
  const Clock& clock_;
  FileDescriptor event_;  // wakes the thread
  std::atomic<int> taken_[2]{};
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;  // guards what follows
  std::vector<Stream> new_;
  std::thread thread_;

  // The thread's alone.
  std::list<Stream> streams_;
  std::uint64_t round_ = 0;
  Monotonic now_{};
  Monotonic read_at_{};
  Monotonic looked_at_{};
};

}  // namespace webhookd
