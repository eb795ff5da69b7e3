#include "api/token_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "shared/encoding.h"

namespace webhookd {
namespace {

constexpr std::size_t kKeyBytes = 32;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void fail(std::string_view what, const std::filesystem::path& path) {
  throw std::runtime_error(
      fmt::format("cannot {} the token key {}: {}", what, path.string(), std::strerror(errno)));
}

// Absent when there is no such file.
std::optional<std::string> read_key(const std::filesystem::path& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    fail("read", path);
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail("read", path);
  if ((info.st_mode & 077U) != 0) {
    throw std::runtime_error(
        fmt::format("the token key {} can be read by others: chmod 600 it", path.string()));
  }
  std::array<char, 2 * kKeyBytes + 2> text{};
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  if (size < 0) fail("read", path);
  std::string_view hex(text.data(), static_cast<std::size_t>(size));
  if (hex.ends_with('\n')) hex.remove_suffix(1);
  auto key = hex_decode(hex);
  if (!key || key->size() != kKeyBytes) {
    throw std::runtime_error(fmt::format(
        "the token key {} does not hold 64 hex digits: remove it to have a new one made",
        path.string()));
  }
  return key;
}

void write_all(int descriptor, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0) fail("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Written under another name and linked into place: it appears whole, or not at all, and never
// replaces one that is there.
void make_key(const std::filesystem::path& path, Random& random) {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  const std::string draft = fmt::format("{}.{}", path.string(), hex_encode(random.bytes(8)));
  {
    const File file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() < 0) fail("make", path);
    write_all(file.get(), hex_encode(random.bytes(kKeyBytes)) + "\n", path);
    if (::fsync(file.get()) != 0) fail("write", path);
  }
  const bool linked = ::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST;
  const int error = errno;
  ::unlink(draft.c_str());
  errno = error;
  if (!linked) fail("make", path);
}

}  // namespace

std::string load_token_key(const std::filesystem::path& path, Random& random) {
  if (auto key = read_key(path)) return std::move(*key);
  make_key(path, random);
  if (auto key = read_key(path)) return std::move(*key);
  errno = ENOENT;
  fail("read", path);
}

}  // namespace webhookd
