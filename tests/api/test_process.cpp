#include <spdlog/spdlog.h>

namespace webhookd {
namespace {

[[maybe_unused]] const bool kIsPrepared = [] {
  // Stores fail on purpose here; what is logged of it would bury a failed assertion.
  spdlog::set_level(spdlog::level::off);
  return true;
}();

}  // namespace
}  // namespace webhookd
