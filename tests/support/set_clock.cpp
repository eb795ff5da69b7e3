// Preloaded into a daemon: its wall clock is off by what the file named by WEBHOOKD_TEST_CLOCK says
// (8 bytes, milliseconds, native order), at every moment anew. Monotonic clocks stay as they are.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

const volatile std::int64_t* shared_offset() {
  static const std::int64_t none = 0;
  const char* const path = std::getenv("WEBHOOKD_TEST_CLOCK");
  if (path == nullptr) return &none;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return &none;
  void* const memory = ::mmap(nullptr, sizeof none, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  return memory == MAP_FAILED ? &none : static_cast<const volatile std::int64_t*>(memory);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (result != 0 || clock != CLOCK_REALTIME) return result;
  static const volatile std::int64_t* const offset = shared_offset();
  constexpr std::int64_t kMillis = 1'000'000;
  const std::int64_t nanos = time->tv_nsec + *offset % 1000 * kMillis;
  constexpr std::int64_t kSecond = 1000 * kMillis;
  time->tv_sec += *offset / 1000 + (nanos >= kSecond ? 1 : 0) - (nanos < 0 ? 1 : 0);
  time->tv_nsec = (nanos + kSecond) % kSecond;
  return 0;
}
