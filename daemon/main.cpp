// The composition root: the only file that names concrete classes and starts them in order.

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <thread>

#include "api/api.h"
#include "config.h"
#include "delivery/dispatcher.h"
#include "observe/log.h"
#include "shared/random.h"
#include "shared/time.h"
#include "store/sqlite/sqlite_store.h"

// Read by jemalloc as it starts. An arena for every thread, and what each may keep in reserve,
// would hold much more memory than is in use; what nobody has used for a second goes back to the
// system.
extern "C" const char* const malloc_conf =  // NOLINT: its name and kind are jemalloc's
    "narenas:2,lg_tcache_max:10,tcache_nslots_small_max:32,dirty_decay_ms:1000,muzzy_decay_ms:0";

namespace webhookd {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr std::chrono::milliseconds kTick{1000};
constexpr std::chrono::seconds kLongestAnswer{5};  // after the last attempt has ended

// Blocked before any thread starts, so that only main's sigtimedwait sees them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void set_up_process() {
  ::umask(0077);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

// How many this process may have. Five eighths are for deliveries and an eighth for each door, so
// that receivers that hang leave the doors open, and clients leave receivers theirs. The rest is
// the store's and the log's.
std::size_t open_files() {
  rlimit files{};
  return ::getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 1024;
}

DispatcherOptions dispatcher_options(const Config& config) {
  DispatcherOptions options;
  options.loops = config.loops;
  options.open_files = static_cast<int>(std::min<std::size_t>(open_files() / 8 * 5, 1'000'000));
  options.default_schedule = config.retry_schedule;
  options.allow_networks = config.allow_networks;
  options.user_agent = config.user_agent;
  options.header_prefix = config.header_prefix;
  options.ca_file = config.ca_file;
  return options;
}

ApiOptions api_options(const Config& config) {
  ApiOptions options;
  options.socket = config.socket;
  options.listen = config.listen;
  options.allow_plaintext = config.allow_plaintext;
  options.admin_group = config.admin_group;
  options.token_key = config.state_dir / "token.key";
  options.jwks_file = config.jwks;
  options.issuer = config.issuer;
  options.audience = config.audience;
  options.header_prefix = config.header_prefix;
  options.max_event_bytes = config.max_event_bytes;
  options.connections = std::min(options.connections, open_files() / 8);
  return options;
}

// What the parts themselves know to be wrong, said before anything is made: a start that is refused
// leaves nothing behind.
void check(const Config& config) {
  try {
    check_networks(config.allow_networks);
  } catch (const std::invalid_argument& error) {
    throw ConfigError(fmt::format("--allow-networks: {}", error.what()));
  }
  try {
    check_options(api_options(config));
  } catch (const std::runtime_error& error) {
    throw ConfigError(error.what());
  }
}

// Set from any thread when the store cannot be read or written any more.
std::atomic<bool> store_is_broken{false};

// What the store cannot do now is tried again with the next tick.
template <typename Work>
void try_store(std::string_view what, Work work) {
  try {
    work();
  } catch (const StoreError& error) {
    log::error("msg=\"{} failed\" error=\"{}\"", what, error.what());
    if (error.kind() == StoreError::Kind::broken) store_is_broken = true;
  }
}

// One piece. How long to wait before the next: two thirds of the store's time stay for others.
std::chrono::milliseconds keep_house(Store& store, Dispatcher& dispatcher, const Clock& clock) {
  const Monotonic began = clock.monotonic();
  MoreWork more = MoreWork::no;
  std::vector<WebhookId> changed;
  try_store("housekeeping", [&] { more = store.do_housekeeping(clock.now(), changed); });
  for (const WebhookId& id : changed) {
    try_store("taking over a webhook", [&] { dispatcher.refresh(id); });
  }
  try_store("taking over a webhook", [&] { dispatcher.catch_up(); });
  if (more == MoreWork::no) return kTick;
  const auto took = std::chrono::ceil<std::chrono::milliseconds>(clock.monotonic() - began);
  return std::min(2 * took, kTick);
}

// Tells of it when publishing begins to be refused, and when it ends.
void tell_of_space(Store& store, bool& had_room) {
  const bool has_room = store.has_room();
  if (has_room != std::exchange(had_room, has_room)) {
    has_room ? log::info("msg=\"enough disk space is free again: publishing goes on\"")
             : log::warn(
                   "msg=\"less disk space is free than min_free_space keeps: publishing is "
                   "refused, deliveries go on\"");
  }
}

timespec timespec_of(std::chrono::milliseconds duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return {seconds.count(), std::chrono::nanoseconds(duration - seconds).count()};
}

// Until a signal says to end, or the store is broken.
int serve(const sigset_t& signals, Store& store, Dispatcher& dispatcher, const Clock& clock) {
  std::chrono::milliseconds pause = kTick;
  bool had_room = true;
  while (true) {
    const timespec tick = timespec_of(pause);
    const int signal = ::sigtimedwait(&signals, nullptr, &tick);
    if (store_is_broken) {
      log::error("msg=\"the store is broken: ending, nothing is acknowledged any more\"");
      return kFailed;
    }
    if (signal == SIGTERM || signal == SIGINT) {
      log::info("msg=stopping signal={}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      return 0;
    }
    if (signal == SIGHUP) {
      log::warn("msg=\"SIGHUP: nothing is read again; restart to change the configuration\"");
    }
    tell_of_space(store, had_room);
    pause = keep_house(store, dispatcher, clock);
  }
}

// May come several times, of a write, a read and a delivery loop.
void note_broken_store(const std::string& what) {
  if (store_is_broken.exchange(true)) return;
  log::error("msg=\"store failed\" error=\"{}\"", what);
}

SqliteOptions store_options(const Config& config) {
  SqliteOptions options;
  options.state_dir = config.state_dir;
  options.default_schedule = config.retry_schedule;
  options.retention = config.retention;
  options.min_free_bytes = config.min_free_space;
  options.on_broken = note_broken_store;
  return options;
}

int run(const Config& config, const sigset_t& signals) {
  SystemClock clock;
  SystemRandom random;
  const auto store = open_sqlite_store(store_options(config), random, clock.now());
  const auto dispatcher =
      start_dispatcher(dispatcher_options(config), *store, clock, random, note_broken_store);
  const auto api = start_api(api_options(config), *store, *dispatcher, clock, random);
  for (const std::string& address : api->addresses()) {
    fmt::print(stderr, "listening on {}\n", address);
  }
  fmt::print(stderr, "ready\n");
  int result = serve(signals, *store, *dispatcher, clock);
  // Side by side: a request that waits for an attempt must not use up the attempts' own time.
  std::packaged_task<void()> closing([&api] { api->stop(); });
  const auto closed = closing.get_future();
  std::thread doors(std::move(closing));
  // No result of an attempt could be recorded any more.
  dispatcher->drain(store_is_broken ? std::chrono::milliseconds{0} : config.drain_timeout);
  if (store_is_broken) result = kFailed;
  if (closed.wait_for(kLongestAnswer) == std::future_status::timeout) {
    log::error("msg=\"a request does not end: ending without its answer, as in a crash\"");
    std::_Exit(result);
  }
  doors.join();
  return result;
}

int main_of(int argc, char** argv) {
  set_up_process();
  const sigset_t signals = block_signals();
  try {
    const CommandLine line = parse_command_line(argc, argv);
    switch (line.action) {
      case CommandLine::Action::exit:
        return line.exit_code;
      case CommandLine::Action::check_config:
        check(line.config);
        fmt::print("configuration is right\n");
        return 0;
      case CommandLine::Action::run:
        check(line.config);
        break;
    }
    log::start(line.config.log_level, line.config.log_style);
    return run(line.config, signals);
  } catch (const ConfigError& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return kUsage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return kFailed;
  }
}

}  // namespace
}  // namespace webhookd

int main(int argc, char** argv) { return webhookd::main_of(argc, argv); }
