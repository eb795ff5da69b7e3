#pragma once

#include <string>
#include <string_view>

namespace webhookd {

// JSON from the command line: "@FILE", "-" (stdin) or the text itself. Comes back as it was
// written, digit for digit. Throws CliError (usage) when it is no JSON object; `option` names where
// it came from.
std::string read_json_object(std::string_view source, std::string_view option);

}  // namespace webhookd
