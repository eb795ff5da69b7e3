#pragma once

#include <string>

#include "api/server.h"

namespace webhookd {

enum class Plaintext { on_loopback, anywhere };

// What "ADDR:PORT" says. Throws std::runtime_error, a sentence with the text and what to write: for
// what is no numeric address with a port, and for one that `plaintext` does not cover.
TcpAddress parse_listen(const std::string& text, Plaintext plaintext);

}  // namespace webhookd
