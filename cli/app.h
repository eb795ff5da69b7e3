#pragma once

namespace webhookd {

// The program: parses, runs one command, reports. Returns the process's exit status; never throws.
int run_webhookctl(int argc, char** argv);

}  // namespace webhookd
