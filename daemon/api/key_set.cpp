#include "api/key_set.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "observe/log.h"

namespace webhookd {
namespace {

constexpr std::chrono::milliseconds kLookEvery{2000};
constexpr std::chrono::milliseconds kLookForUnknownEvery{200};
constexpr std::chrono::seconds kComplainEvery{60};
constexpr std::uintmax_t kMaxFileBytes = 1024 * 1024;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::vector<VerificationKey> read_keys(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) throw std::runtime_error(error.message());
  if (size > kMaxFileBytes) throw std::runtime_error("it is larger than 1 MiB");
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) throw std::runtime_error("it cannot be read");
  return parse_jwks(text);
}

}  // namespace

KeySet::KeySet(std::filesystem::path file, Monotonic now)
    : file_(std::move(file)), seen_(version()), looked_at_(now) {
  try {
    keys_ = std::make_shared<const std::vector<VerificationKey>>(read_keys(file_));
    if (keys_->empty()) throw std::runtime_error("none of its keys can verify tokens");
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(
        fmt::format("cannot use the key set {}: {}; mend it or give another with --jwks",
                    file_.string(), error.what()));
  }
}

std::optional<KeySet::Version> KeySet::version() const {
  struct stat status {};
  if (::stat(file_.c_str(), &status) != 0) return std::nullopt;
  return Version{status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
                 nanoseconds(status.st_ctim)};
}

bool KeySet::knows(const std::string& kid) const {
  return std::any_of(keys_->begin(), keys_->end(),
                     [&](const VerificationKey& key) { return key.kid() == kid; });
}

void KeySet::look(Monotonic now) {
  looked_at_ = now;
  const auto current = version();
  if (current && current == seen_) return;
  try {
    keys_ = std::make_shared<const std::vector<VerificationKey>>(read_keys(file_));
  } catch (const std::runtime_error& error) {
    return complain(error.what(), now);
  }
  // Only now: what could not be read this time may be read the next.
  seen_ = current;
  complained_at_.reset();
  if (keys_->empty()) {
    log::error("key set {} has no key that can verify tokens: all of its tokens are refused",
               file_.string());
  } else {
    log::info("key set {} read again: {} keys", file_.string(), keys_->size());
  }
}

// Not at every look: a broken file stays broken for a while.
void KeySet::complain(const std::string& why, Monotonic now) {
  if (complained_at_ && now - *complained_at_ < kComplainEvery) return;
  complained_at_ = now;
  log::warn("key set {} changed and is of no use, the last one stays: {}", file_.string(), why);
}

KeySet::Keys KeySet::keys_for(const std::optional<std::string>& kid, Monotonic now) {
  const std::lock_guard lock(mutex_);
  const auto interval = kid && !knows(*kid) ? kLookForUnknownEvery : kLookEvery;
  if (now - looked_at_ >= interval) look(now);
  return keys_;
}

}  // namespace webhookd
