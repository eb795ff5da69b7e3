#include "store/seal.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <memory>

namespace webhookd {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr char kVersion = 1;

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void key_file_failure(const std::filesystem::path& path, const std::string& what) {
  throw StoreError(StoreError::Kind::broken, "key file " + path.string() + ": " + what);
}

[[noreturn]] void key_file_errno(const std::filesystem::path& path) {
  if (errno == ENOSPC || errno == EDQUOT) {
    throw StoreError(StoreError::Kind::full,
                     "key file " + path.string() + ": " + std::strerror(errno));
  }
  key_file_failure(path, std::strerror(errno));
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

int length_of(std::string_view text) {
  assert(text.size() < (1U << 30));
  return static_cast<int>(text.size());
}

// Length prefixes keep ("a", "bc") and ("ab", "c") apart.
std::string context_of(std::string_view owner, std::string_view field) {
  return std::to_string(owner.size()) + ":" + std::string(owner) + ":" + std::string(field);
}

void require(bool ok) {
  if (!ok) throw StoreError(StoreError::Kind::broken, "the cryptographic library failed");
}

CipherContext new_context() {
  CipherContext context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  require(context != nullptr);
  return context;
}

[[noreturn]] void refuse_sealed() {
  throw StoreError(StoreError::Kind::broken,
                   "a sealed value cannot be opened: it was changed, or secret.key is not the key "
                   "it was sealed with");
}

void sync_directory(const std::filesystem::path& directory) {
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) key_file_errno(directory);
}

// On disk when it returns true; else errno says why.
bool write_new_file(const std::filesystem::path& path, std::string_view bytes) {
  const FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() < 0) return false;
  errno = ENOSPC;  // what a write that is cut short means
  const ssize_t put = ::write(fd.get(), bytes.data(), bytes.size());
  return put == static_cast<ssize_t>(bytes.size()) && ::fsync(fd.get()) == 0;
}

}  // namespace

SealingKey::SealingKey(std::string bytes) : bytes_(std::move(bytes)) {
  assert(bytes_.size() == kKeyBytes);
}

SealingKey::~SealingKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

// A copy and not a move, which may leave the bytes of the other behind.
SealingKey::SealingKey(SealingKey&& other) noexcept
    : bytes_(other.bytes_) {  // NOLINT(performance-move-constructor-init)
  OPENSSL_cleanse(other.bytes_.data(), other.bytes_.size());
}

std::optional<SealingKey> read_key_file(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.get() < 0 && errno == ENOENT) return std::nullopt;
  if (fd.get() < 0) key_file_errno(path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) key_file_errno(path);
  if (!S_ISREG(info.st_mode)) key_file_failure(path, "it is no regular file");
  if ((info.st_mode & 077) != 0) {
    key_file_failure(path, "others may read or write it; run: chmod 600 " + path.string());
  }
  std::string bytes(kKeyBytes + 1, '\0');
  const ssize_t got = ::read(fd.get(), bytes.data(), bytes.size());
  if (got < 0) key_file_errno(path);
  if (got != static_cast<ssize_t>(kKeyBytes)) {
    key_file_failure(path, "it is damaged (a key is 32 bytes); bring it back from a backup");
  }
  bytes.resize(kKeyBytes);
  return SealingKey(std::move(bytes));
}

// Written under another name and linked into place: it appears whole or not at all, and never
// replaces one that is there. A draft that an earlier start has left is worth nothing.
SealingKey make_key_file(const std::filesystem::path& path, Random& random) {
  SealingKey key(random.bytes(kKeyBytes));
  const std::filesystem::path draft = path.string() + ".draft";
  ::unlink(draft.c_str());
  const bool made = write_new_file(draft, key.bytes()) && ::link(draft.c_str(), path.c_str()) == 0;
  const int code = errno;
  ::unlink(draft.c_str());
  errno = code;
  if (!made) key_file_errno(path);
  // What is sealed with a key that a power loss takes away is lost: the entry must be on disk too.
  sync_directory(path.parent_path());
  return key;
}

std::string Sealer::seal(std::string_view owner, std::string_view field,
                         std::string_view clear) const {
  const std::string nonce = random_.bytes(kNonceBytes);
  const std::string bound = context_of(owner, field);
  const CipherContext context = new_context();
  std::string cipher(clear.size(), '\0');
  std::string tag(kTagBytes, '\0');
  int length = 0;
  require(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key_.bytes()),
                             bytes_of(std::string_view(nonce))) == 1);
  require(EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(std::string_view(bound)),
                            length_of(bound)) == 1);
  require(EVP_EncryptUpdate(context.get(), bytes_of(cipher), &length, bytes_of(clear),
                            length_of(clear)) == 1);
  require(EVP_EncryptFinal_ex(context.get(), bytes_of(tag), &length) == 1);
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes),
                              tag.data()) == 1);
  return std::string(1, kVersion) + nonce + cipher + tag;
}

std::string Sealer::unseal(std::string_view owner, std::string_view field,
                           std::string_view sealed) const {
  if (sealed.size() < 1 + kNonceBytes + kTagBytes || sealed.front() != kVersion) refuse_sealed();
  const std::string_view nonce = sealed.substr(1, kNonceBytes);
  const std::string_view cipher =
      sealed.substr(1 + kNonceBytes, sealed.size() - 1 - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  const std::string bound = context_of(owner, field);
  const CipherContext context = new_context();
  std::string clear(cipher.size(), '\0');
  int length = 0;
  require(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key_.bytes()),
                             bytes_of(nonce)) == 1);
  require(EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(std::string_view(bound)),
                            length_of(bound)) == 1);
  require(EVP_DecryptUpdate(context.get(), bytes_of(clear), &length, bytes_of(cipher),
                            length_of(cipher)) == 1);
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes),
                              tag.data()) == 1);
  std::string rest(kTagBytes, '\0');
  if (EVP_DecryptFinal_ex(context.get(), bytes_of(rest), &length) != 1) refuse_sealed();
  return clear;
}

}  // namespace webhookd
