#include "api/readiness.h"

#include <chrono>

namespace webhookd {

void Readiness::check(const std::function<void()>& look, Monotonic now) {
  const std::lock_guard lock(mutex_);
  if (!looked_ || now - *looked_ >= std::chrono::seconds{1}) {
    looked_ = now;
    trouble_ = nullptr;
    try {
      look();
    } catch (...) {
      trouble_ = std::current_exception();
    }
  }
  if (trouble_) std::rethrow_exception(trouble_);
}

}  // namespace webhookd
