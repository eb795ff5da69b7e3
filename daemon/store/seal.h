#pragma once

// Secrets at rest: AES-256-GCM under a key that lies beside the database and never in it.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "shared/random.h"
#include "store/store.h"

namespace webhookd {

// 32 bytes, wiped when it goes.
class SealingKey {
 public:
  // `bytes` must be 32 long.
  explicit SealingKey(std::string bytes);
  ~SealingKey();
  SealingKey(SealingKey&& other) noexcept;
  SealingKey(const SealingKey&) = delete;
  SealingKey& operator=(const SealingKey&) = delete;
  SealingKey& operator=(SealingKey&&) = delete;

  std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// What is at `path`; absent when there is no file. Throws StoreError (broken) with a sentence when
// it is there and no key, or when others may read it.
std::optional<SealingKey> read_key_file(const std::filesystem::path& path);

// Makes a new key, mode 0600, on disk with its directory entry when it returns. Throws StoreError,
// also when the file exists.
SealingKey make_key_file(const std::filesystem::path& path, Random& random);

// Thread-safe. `random` must outlive it.
class Sealer {
 public:
  Sealer(SealingKey key, Random& random) : key_(std::move(key)), random_(random) {}

  // A version byte, a nonce, the ciphertext and its tag. `owner` (a webhook's id) and `field` are
  // authenticated, so that a sealed value is good in its own place only.
  std::string seal(std::string_view owner, std::string_view field, std::string_view clear) const;

  // Throws StoreError (broken) when the value was changed, belongs elsewhere or was sealed with
  // another key.
  std::string unseal(std::string_view owner, std::string_view field, std::string_view sealed) const;

 private:
  SealingKey key_;
  Random& random_;
};

}  // namespace webhookd
