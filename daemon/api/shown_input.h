#pragma once

#include <string>
#include <string_view>

#include "api/errors.h"

namespace webhookd {

// What a caller is shown of the `input` (JSON text) that is at fault at `loc`, as JSON text:
// secrets, values of headers and what a URL has before its host are "***", numbers keep their
// digits, and what is longer than 1 KiB becomes a string of its beginning.
std::string shown_input(std::string_view input, const Loc& loc);

}  // namespace webhookd
