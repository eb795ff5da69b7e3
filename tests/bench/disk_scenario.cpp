#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>

#include "bench/daemon_process.h"
#include "bench/samples.h"
#include "bench/scenario.h"
#include "bench/socket.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kAppendBytes = 4096;
constexpr std::size_t kMostAppends = 20'000;
constexpr std::chrono::seconds kLongest{2};
constexpr long kXfsMagic = 0x58465342;  // not in linux/magic.h

Samples sync_times(const std::filesystem::path& parent, milliseconds longest) {
  const TemporaryDir dir(parent);
  const std::filesystem::path path = dir.path() / "appended";
  const FileDescriptor file{
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600)};
  if (!file) fail_with_errno("open " + path.string());
  const std::string page(kAppendBytes, 'x');
  Samples samples;
  const auto began = steady_clock::now();
  auto now = began;
  while (samples.count() < kMostAppends && now - began < longest) {
    const auto before = now;
    const ssize_t written = ::write(file.get(), page.data(), page.size());
    if (written != static_cast<ssize_t>(page.size())) fail_with_errno("write");
    if (::fdatasync(file.get()) != 0) fail_with_errno("fdatasync");
    now = steady_clock::now();
    samples.add(now - before);
  }
  return samples;
}

double rate_of(const Samples& samples) {
  return static_cast<double>(samples.count()) / samples.sum();
}

}  // namespace

std::string file_system_name(const std::filesystem::path& path) {
  struct statfs about {};
  if (::statfs(path.c_str(), &about) != 0) fail_with_errno("statfs " + path.string());
  switch (about.f_type) {
    case EXT4_SUPER_MAGIC:
      return "ext2/ext3/ext4";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case kXfsMagic:
      return "xfs";
    default:
      return fmt::format("file system {:#x}", about.f_type);
  }
}

std::vector<Row> measure_disk(const Context& context) {
  Samples samples = sync_times(context.dir, kLongest);
  return {{"disk_fdatasync", rate_of(samples), "/s", std::nullopt,
           fmt::format("4 KiB appends, {}; p50 {:.2f} ms, p99 {:.2f} ms, {} samples",
                       file_system_name(context.dir), samples.median() * 1000,
                       samples.percentile(99) * 1000, samples.count())}};
}

double fdatasync_rate(const std::filesystem::path& dir, milliseconds time) {
  const Samples samples = sync_times(dir, time);
  return rate_of(samples);
}

}  // namespace webhookd::bench
