#pragma once

#include <filesystem>

#include "store/store.h"

namespace webhookd {

// The directory that belongs to one daemon: made 0700, held by a lock on webhookd.lock for as long
// as this lives.
class StateDirectory {
 public:
  // Throws StoreError (unavailable): its text names the path, the reason and what to do, and the
  // pid of the daemon that has it.
  explicit StateDirectory(const std::filesystem::path& path);
  ~StateDirectory();
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path database() const { return path_ / "webhookd.db"; }
  std::filesystem::path key() const { return path_ / "secret.key"; }

  // SQLite gives its other files the mode of the database file, so that one is made first.
  void make_database_file() const;

 private:
  void lock();

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace webhookd
