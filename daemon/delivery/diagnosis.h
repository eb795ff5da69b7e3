#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "shared/model.h"

namespace webhookd {

// One sentence for a person: what is wrong with a delivery and what to do next. `attempts` in
// order. Absent when it succeeded or nothing has gone wrong yet.
std::optional<std::string> diagnosis_of(const Delivery& delivery, std::span<const Attempt> attempts,
                                        std::chrono::seconds timeout);

}  // namespace webhookd
