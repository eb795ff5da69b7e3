#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/jwk.h"
#include "shared/time.h"

namespace webhookd {

// The keys of a JWKS file, read again when the file changes. A file that can't be read or is no
// key set leaves the last good set in force, and is tried again at every look. A key set without a
// usable key is one all the same: emptying the file revokes every key. Thread-safe.
class KeySet {
 public:
  using Keys = std::shared_ptr<const std::vector<VerificationKey>>;

  // Throws std::runtime_error, a sentence with the path, when there is no usable key to begin with.
  KeySet(std::filesystem::path file, Monotonic now);

  // The keys for a token that names `kid`. Looks at the file at most every 2 s, or every 200 ms for
  // a kid that it does not know: a new key's first token is not to wait.
  Keys keys_for(const std::optional<std::string>& kid, Monotonic now);

 private:
  // What tells one state of the file from another, also of one that is written within a clock tick
  // or given its old time back.
  struct Version {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Version&) const = default;
  };
  std::optional<Version> version() const;
  bool knows(const std::string& kid) const;
  void look(Monotonic now);
  void complain(const std::string& why, Monotonic now);

  const std::filesystem::path file_;
  std::mutex mutex_;  // guards what follows
  Keys keys_;
  std::optional<Version> seen_;  // of the file that keys_ were read from
  Monotonic looked_at_;
  std::optional<Monotonic> complained_at_;
};

}  // namespace webhookd
