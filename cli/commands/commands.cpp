#include "cli/commands/commands.h"

namespace webhookd {

void add_commands(CommandLine& line) {
  constexpr void (*kCommands[])(CommandLine&) = {
      add_create,        add_list,   add_get,    add_update,  add_delete,     add_pause,
      add_rotate_secret, add_events, add_test,   add_publish, add_deliveries, add_delivery,
      add_tail,          add_wait,   add_retry,  add_replay,  add_cancel,     add_stats,
      add_status,        add_token,  add_version};
  for (const auto add : kCommands) add(line);
}

}  // namespace webhookd
