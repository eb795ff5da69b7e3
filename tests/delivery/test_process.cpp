#include <csignal>

#include "observe/log.h"

namespace webhookd {
namespace {

[[maybe_unused]] const bool kIsPrepared = [] {
  // Hundreds of attempts fail on purpose here.
  log::start(log::Level::error, log::Style::logfmt);
  // Receivers and senders close on each other.
  std::signal(SIGPIPE, SIG_IGN);
  return true;
}();

}  // namespace
}  // namespace webhookd
