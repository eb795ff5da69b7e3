#pragma once

#include <string>

#include "cli/command.h"

namespace webhookd {

struct BatchOptions {
  std::string file;  // "-": stdin
  std::string wait;  // a duration; empty: not at all
};

// `publish --batch`. What was published before a failure is told as well.
Exit publish_batch(Context& context, const BatchOptions& options);

}  // namespace webhookd
