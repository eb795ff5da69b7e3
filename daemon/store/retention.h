#pragma once

// How long what nobody waits for any more is kept (contract section 5.10).

#include <chrono>
#include <cstdint>
#include <ratio>

namespace webhookd {

struct Retention {
  using Days = std::chrono::duration<std::int64_t, std::ratio<86'400>>;

  std::chrono::milliseconds succeeded = Days{30};  // and cancelled, after they ended
  std::chrono::milliseconds failed = Days{90};     // after they ended
  // After it was accepted; it stays while it has a delivery, and can be replayed.
  std::chrono::milliseconds events = Days{30};
  // How long a paused webhook's delivery may wait, from when it was due and the webhook paused.
  std::chrono::milliseconds paused = Days{30};
  std::chrono::milliseconds audit = Days{365};
};

}  // namespace webhookd
