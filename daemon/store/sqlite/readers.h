#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "store/sqlite/connection.h"

namespace webhookd {

// A few connections that can only read. Every read sees one state of the store and is bounded: a
// long one would keep the log from starting over. Thread-safe.
class Readers {
 public:
  Readers(const std::filesystem::path& file, int count);

  // What `work(Connection&)` returns. Throws StoreError unavailable when it takes too long or no
  // connection comes free.
  template <typename Work>
  auto read(Work work) {
    const Lease lease(*this);
    return work(lease.db());
  }

 private:
  // A connection inside a transaction, until it goes.
  class Lease {
   public:
    explicit Lease(Readers& readers);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Connection& db() const { return *db_; }

   private:
    Readers& readers_;
    std::unique_ptr<Connection> db_;
  };

  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> db);

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable came_free_;
  std::vector<std::unique_ptr<Connection>> free_;
};

}  // namespace webhookd
