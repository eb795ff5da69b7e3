#include "api/key_set.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "observe/log.h"

namespace webhookd {
namespace {

constexpr std::chrono::seconds kLookEvery{2};
constexpr std::uintmax_t kMaxFileBytes = 1024 * 1024;

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
    : file_(std::move(file)), seen_(version()), next_look_(now + kLookEvery) {
  try {
    keys_ = std::make_shared<const std::vector<VerificationKey>>(read_keys(file_));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(
        fmt::format("cannot use the key set {}: {}", file_.string(), error.what()));
  }
}

std::optional<KeySet::Version> KeySet::version() const {
  std::error_code error;
  Version version;
  version.modified = std::filesystem::last_write_time(file_, error);
  if (error) return std::nullopt;
  version.size = std::filesystem::file_size(file_, error);
  if (error) return std::nullopt;
  return version;
}

void KeySet::reload() {
  const auto current = version();
  if (current == seen_) return;
  seen_ = current;
  try {
    keys_ = std::make_shared<const std::vector<VerificationKey>>(read_keys(file_));
    log::info("key set {} read again: {} keys", file_.string(), keys_->size());
  } catch (const std::runtime_error& error) {
    log::warn("key set {} changed and is of no use, the last one stays: {}", file_.string(),
              error.what());
  }
}

KeySet::Keys KeySet::keys(Monotonic now) {
  const std::lock_guard lock(mutex_);
  if (now >= next_look_) {
    next_look_ = now + kLookEvery;
    reload();
  }
  return keys_;
}

}  // namespace webhookd
