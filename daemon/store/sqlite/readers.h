#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "store/sqlite/connection.h"

namespace webhookd {

// How long a read may keep its connection.
enum class ReadKind {
  point,   // a few rows by their keys
  list,    // a page, or numbers over all webhooks
  search,  // may walk a long way for what it shows
};

// A few connections that can only read. Every read sees one state of the store and is bounded: a
// long one would keep the log from starting over. First come, first served, but searches leave
// half of the connections to others, and lists leave one to point reads. Thread-safe.
class Readers {
 public:
  // `longest_wait`: for a connection. While `lists_wait` is true no list and no search starts; it
  // is called from any thread and must not block. `on_broken` is called on the reading thread
  // before a StoreError broken is thrown.
  Readers(const std::filesystem::path& file, int count, std::chrono::milliseconds longest_wait,
          std::function<bool()> lists_wait, std::function<void(const std::string&)> on_broken);

  // What `work(Connection&)` returns. Throws StoreError unavailable when it takes too long or no
  // connection comes free.
  template <typename Work>
  auto read(ReadKind kind, Work work) {
    try {
      const Lease lease(*this, kind);
      return work(lease.db());
    } catch (const StoreError& error) {
      if (error.kind() == StoreError::Kind::broken) on_broken_(error.what());
      throw;
    }
  }

 private:
  // A connection inside a transaction, until it goes.
  class Lease {
   public:
    Lease(Readers& readers, ReadKind kind);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Connection& db() const { return *db_; }

   private:
    Readers& readers_;
    ReadKind kind_;
    std::unique_ptr<Connection> db_;
  };

  struct Waiter {
    ReadKind kind;
    std::unique_ptr<Connection> db;
    std::condition_variable served;
  };

  std::unique_ptr<Connection> take(ReadKind kind);
  void give_back(ReadKind kind, std::unique_ptr<Connection> db);
  bool may_start(ReadKind kind) const;
  void serve();

  const int count_;
  const std::chrono::milliseconds longest_wait_;
  const std::function<bool()> lists_wait_;
  const std::function<void(const std::string&)> on_broken_;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> free_;
  std::list<Waiter*> waiting_;
  int searches_ = 0;
  int lists_ = 0;  // and searches
};

}  // namespace webhookd
