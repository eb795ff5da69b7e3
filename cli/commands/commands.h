#pragma once

// The commands, one file each: add_create() is in create.cpp. Each registers its options and what
// it does.

#include "cli/command.h"

namespace webhookd {

void add_create(CommandLine& line);
void add_list(CommandLine& line);
void add_get(CommandLine& line);
void add_update(CommandLine& line);
void add_delete(CommandLine& line);
void add_pause(CommandLine& line);  // resume and disable too
void add_rotate_secret(CommandLine& line);
void add_events(CommandLine& line);
void add_test(CommandLine& line);
void add_publish(CommandLine& line);
void add_deliveries(CommandLine& line);
void add_delivery(CommandLine& line);
void add_tail(CommandLine& line);
void add_wait(CommandLine& line);
void add_cancel(CommandLine& line);
void add_retry(CommandLine& line);
void add_replay(CommandLine& line);
void add_stats(CommandLine& line);
void add_status(CommandLine& line);
void add_token(CommandLine& line);
void add_version(CommandLine& line);

// All of them, in the order of the help.
void add_commands(CommandLine& line);

}  // namespace webhookd
