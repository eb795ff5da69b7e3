#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "api/jwk.h"
#include "shared/time.h"

namespace webhookd {

// The keys of a JWKS file, read again when the file changes. A file that can't be read or holds
// no usable key leaves the last good set in force. Thread-safe.
class KeySet {
 public:
  using Keys = std::shared_ptr<const std::vector<VerificationKey>>;

  // Throws std::runtime_error, a sentence with the path, when there is no good set to begin with.
  KeySet(std::filesystem::path file, Monotonic now);

  // Looks at the file at most every 2 s.
  Keys keys(Monotonic now);

 private:
  struct Version {
    std::filesystem::file_time_type modified;
    std::uintmax_t size = 0;
    bool operator==(const Version&) const = default;
  };
  std::optional<Version> version() const;
  void reload();

  const std::filesystem::path file_;
  std::mutex mutex_;  // guards what follows
  Keys keys_;
  std::optional<Version> seen_;
  Monotonic next_look_;
};

}  // namespace webhookd
