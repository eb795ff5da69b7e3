#pragma once

namespace webhookd::test {

// While it lives, SQLite's files are on a disk that can be told to fail. One at a time.
class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  // A write without space fails as SQLite's own files do it: ENOSPC as full, a quota as an error
  // with its errno.
  enum class Fault {
    none,
    full,
    full_beyond_log,  // it may be written, and not grow
    log_over_quota,
    database_over_quota,
    failing_sync,
    database_sync_without_space,
  };
  void set(Fault fault);
  // Of logs, since it came to life.
  int log_writes() const;
};

}  // namespace webhookd::test
