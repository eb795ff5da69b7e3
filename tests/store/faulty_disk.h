#pragma once

namespace webhookd::test {

// While it lives, SQLite's files are on a disk that can be told to fail. One at a time.
class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  enum class Fault { none, full, failing_sync };
  void set(Fault fault);
};

}  // namespace webhookd::test
