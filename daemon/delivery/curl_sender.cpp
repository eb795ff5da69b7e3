// One thing: transfers on their way through the gate, the pools and libcurl's callbacks to a
// result; what one transfer is, is in curl_transfer.cpp.

#include "delivery/curl_sender.h"

#include <curl/curl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <deque>
#include <mutex>
#include <new>
#include <set>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "delivery/curl_transfer.h"
#include "delivery/lookup_gate.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kIdleTransfers = 1024;  // kept for use again
constexpr std::size_t kManyResults = 64;      // of timers, handed out before more are run
constexpr int kMostPools = 16;
constexpr int kIdleOfPool = 256;  // at least, or there are fewer pools: all that one webhook uses
// As they come from the network, with the framing of chunks and TLS, which curl does not count.
constexpr std::uint64_t kMostReceivedBytes = 8 * 1024 * 1024;
constexpr int kEventsBetweenLooks = 8;  // an ordinary answer takes fewer
// resolv.conf(5): 5 s for each of 2 tries of at most 3 name servers. A lookup cannot be stopped.
constexpr std::chrono::seconds kLongestLookup{30};

// Since the connection was made; 0 when the system does not tell.
std::uint64_t received_bytes(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

class CurlSender;
struct CurlMultiDeleter {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

// The connections of some URLs. libcurl walks along those of a pool, busy ones too, to find one
// that is idle, and once more after each transfer: one pool of thousands that hang would slow down
// all.
struct Pool {
  CurlSender* sender = nullptr;
  std::unique_ptr<CURLM, CurlMultiDeleter> multi;  // made when it is first used
  std::optional<Monotonic> timer;                  // when curl wants to be called
  int active = 0;                                  // transfers begun and not ended
};

// What a socket has been used for since curl began to watch it.
struct Traffic {
  Pool* pool = nullptr;
  CurlTransfer* transfer = nullptr;
  int events = 0;
  std::uint64_t received_before = 0;  // at the first look
};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "file descriptor");
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { close(fd_); }
  int get() const { return fd_; }

 private:
  int fd_;
};

void initialise_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::bad_alloc();
  });
}

// "host:port" as the URL writes it.
std::string authority_of(const std::string& url) {
  const auto scheme_end = url.find("://");
  const auto start = scheme_end == std::string::npos ? 0 : scheme_end + 3;
  return url.substr(start, url.find_first_of("/?#", start) - start);
}

bool needs_lookup(const std::string& authority) {
  if (authority.starts_with('[')) return false;
  return !IpAddress::parse(authority.substr(0, authority.find(':'))).has_value();
}

CurlTransfer* transfer_of(CURL* easy) {
  char* owner = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
  return static_cast<CurlTransfer*>(static_cast<void*>(owner));
}

class CurlSender final : public Sender {
 public:
  CurlSender(const CurlSenderOptions& options, const AddressGuard& guard, const Clock& clock);
  ~CurlSender() override;

  void start(TransferId id, SendRequest& request) override;
  void abort(TransferId id) override;
  std::vector<SendResult> wait(milliseconds timeout) override;
  void wake() override;

 private:
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* pool, void* socket_state);
  static int on_timer(CURLM* multi, long timeout_ms, void* pool);

  // A transfer that is under way.
  struct Active {
    std::unique_ptr<CurlTransfer> transfer;
    Pool* pool = nullptr;
  };

  void watch(int fd, std::uint32_t events);
  void end_if_flooded(int fd);
  Pool& pool_of(const std::string& url);
  void count_active(Pool& pool, int change) const;
  void begin(Active& active);
  enum class Lookup { ended, given_up };
  void leave_gate(TransferId id, Lookup lookup);
  void admit(std::optional<TransferId> next);
  void forget_lookups();
  void poll(milliseconds timeout);
  void run_timers();
  void collect_finished(const Pool& pool);
  void finish(CurlTransfer& transfer, SendResult result);
  void release_lookups();
  void expire_waiting();
  CurlTransfer& take_idle();
  void put_idle(CurlTransfer* transfer);
  milliseconds until_next_event(milliseconds timeout) const;

  const CurlSenderOptions options_;
  const AddressGuard& guard_;
  const Clock& clock_;
  FileDescriptor epoll_;
  FileDescriptor wakeup_;
  std::unordered_map<TransferId, Active> transfers_;
  std::vector<std::unique_ptr<CurlTransfer>> idle_;
  std::vector<Pool> pools_;    // go before the handles they may hold
  std::size_t next_pool_ = 0;  // whose timer is looked at first

  LookupGate gate_;
  std::vector<TransferId> looking_up_;                     // begun, not yet at an address
  std::set<std::pair<Monotonic, TransferId>> waiting_;     // at the gate, by deadline
  std::deque<std::pair<Monotonic, TransferId>> given_up_;  // lookups: when over at the latest
  std::vector<SendResult> results_;
  std::unordered_map<int, Traffic> traffic_;  // by socket
};

CurlSender::CurlSender(const CurlSenderOptions& options, const AddressGuard& guard,
                       const Clock& clock)
    : options_(options),
      guard_(guard),
      clock_(clock),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wakeup_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      pools_(static_cast<std::size_t>(std::clamp(options.most_idle / kIdleOfPool, 1, kMostPools))),
      gate_(options.lookups_per_host, options.lookups) {
  initialise_curl_once();
  watch(wakeup_.get(), EPOLLIN);
}

CurlSender::~CurlSender() {
  for (const auto& [id, active] : transfers_) {
    curl_multi_remove_handle(active.pool->multi.get(), active.transfer->handle());
  }
}

Pool& CurlSender::pool_of(const std::string& url) {
  Pool& pool = pools_[std::hash<std::string>{}(url) % pools_.size()];
  if (pool.multi) return pool;
  pool.sender = this;
  pool.multi.reset(curl_multi_init());
  CURLM* const multi = pool.multi.get();
  if (multi == nullptr) throw std::bad_alloc();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &CurlSender::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &pool);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &CurlSender::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &pool);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, long{CURLPIPE_NOTHING});
  return pool;
}

// curl closes the connection that has been idle for longest when there are too many, and counts the
// busy ones, too.
void CurlSender::count_active(Pool& pool, int change) const {
  pool.active += change;
  const int most = pool.active + std::max(1, options_.most_idle / static_cast<int>(pools_.size()));
  curl_multi_setopt(pool.multi.get(), CURLMOPT_MAXCONNECTS, long{most});
}

void CurlSender::watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  // Most come anew: curl takes a connection out of the set whenever it is idle.
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return;
  if (errno == EEXIST && epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return;
  throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

// ---- called by curl ---------------------------------------------------------------------------

int CurlSender::on_socket(CURL* easy, curl_socket_t fd, int what, void* of_pool, void*) {
  auto& pool = *static_cast<Pool*>(of_pool);
  CurlSender& sender = *pool.sender;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(sender.epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    sender.traffic_.erase(fd);
    return 0;
  }
  std::uint32_t events = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
  try {
    Traffic& traffic = sender.traffic_[fd];
    if (traffic.transfer != transfer_of(easy)) traffic = {&pool, transfer_of(easy), 0, 0};
    sender.watch(fd, events);
  } catch (const std::exception&) {
    return -1;  // no exception may cross curl; it fails the transfers
  }
  return 0;
}

int CurlSender::on_timer(CURLM*, long timeout_ms, void* of_pool) {
  auto& pool = *static_cast<Pool*>(of_pool);
  if (timeout_ms < 0) {
    pool.timer.reset();
  } else {
    pool.timer = pool.sender->clock_.monotonic() + milliseconds{timeout_ms};
  }
  return 0;
}

// ---- called by the loop -----------------------------------------------------------------------

void CurlSender::start(TransferId id, SendRequest& request) {
  const std::string authority = authority_of(request.url);
  CurlTransfer& transfer = take_idle();
  Pool& pool = pool_of(request.url);
  transfer.prepare(id, request, clock_.monotonic());
  const auto [place, is_new] = transfers_.emplace(id, Active{std::move(idle_.back()), &pool});
  idle_.pop_back();
  assert(is_new);
  if (needs_lookup(authority)) {
    if (gate_.enter(id, authority) == LookupGate::Turn::later) {
      waiting_.emplace(transfer.deadline(), id);
      return;
    }
    looking_up_.push_back(id);
  }
  begin(place->second);
}

void CurlSender::begin(Active& active) {
  active.transfer->begin(clock_.monotonic());
  count_active(*active.pool, 1);
  const CURLMcode code = curl_multi_add_handle(active.pool->multi.get(), active.transfer->handle());
  if (code == CURLM_OUT_OF_MEMORY) throw std::bad_alloc();
  assert(code == CURLM_OK);
}

void CurlSender::abort(TransferId id) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  const Active active = std::move(found->second);
  const CurlTransfer& transfer = *active.transfer;
  transfers_.erase(found);
  if (waiting_.erase({transfer.deadline(), id}) == 0) {
    curl_multi_remove_handle(active.pool->multi.get(), transfer.handle());
    count_active(*active.pool, -1);
  }
  leave_gate(id, transfer.has_address() ? Lookup::ended : Lookup::given_up);
}

void CurlSender::wake() {
  const std::uint64_t one = 1;
  // The counter cannot overflow, and when it is not zero the loop wakes anyway.
  static_cast<void>(!write(wakeup_.get(), &one, sizeof one));
}

std::vector<SendResult> CurlSender::wait(milliseconds timeout) {
  poll(until_next_event(timeout));
  run_timers();
  release_lookups();
  expire_waiting();
  forget_lookups();
  return std::exchange(results_, {});
}

milliseconds CurlSender::until_next_event(milliseconds timeout) const {
  const Monotonic now = clock_.monotonic();
  const auto sooner = [&](Monotonic at) {
    timeout = std::min(timeout, std::chrono::ceil<milliseconds>(at - now));
  };
  for (const Pool& pool : pools_) {
    if (pool.timer) sooner(*pool.timer);
  }
  if (!waiting_.empty()) sooner(waiting_.begin()->first);
  if (!given_up_.empty()) sooner(given_up_.front().first);
  return std::max(timeout, milliseconds{0});
}

void CurlSender::poll(milliseconds timeout) {
  std::array<epoll_event, 256> events{};
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                               static_cast<int>(timeout.count()));
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == wakeup_.get()) {
      std::uint64_t wakes = 0;
      static_cast<void>(!read(wakeup_.get(), &wakes, sizeof wakes));
      continue;
    }
    int what = 0;
    if ((event.events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
    const auto traffic = traffic_.find(event.data.fd);
    // An earlier event of this turn has ended it.
    if (traffic == traffic_.end()) continue;
    int running = 0;
    Pool& pool = *traffic->second.pool;
    curl_multi_socket_action(pool.multi.get(), event.data.fd, what, &running);
    end_if_flooded(event.data.fd);
    collect_finished(pool);
  }
}

void CurlSender::end_if_flooded(int fd) {
  const auto found = traffic_.find(fd);
  if (found == traffic_.end() || ++found->second.events % kEventsBetweenLooks != 0) return;
  Traffic& traffic = found->second;
  const std::uint64_t received = received_bytes(fd);
  if (traffic.events == kEventsBetweenLooks) traffic.received_before = received;
  if (received - traffic.received_before <= kMostReceivedBytes) return;
  finish(*traffic.transfer, traffic.transfer->take_flooded(clock_.monotonic()));
}

// Its result is taken; a connection that is not at the end of an answer is closed.
void CurlSender::finish(CurlTransfer& transfer, SendResult result) {
  const TransferId id = transfer.id();
  Pool& pool = *transfers_.at(id).pool;
  const bool given_up =
      !transfer.has_address() && result.error && result.error->kind == ErrorKind::timeout;
  results_.push_back(std::move(result));
  curl_multi_remove_handle(pool.multi.get(), transfer.handle());
  count_active(pool, -1);
  leave_gate(id, given_up ? Lookup::given_up : Lookup::ended);
  put_idle(&transfer);
}

// Timeouts often come together, after many attempts began together. What has ended is then handed
// out before the rest, so that the answers of other receivers need not wait for all of it.
void CurlSender::run_timers() {
  const Monotonic now = clock_.monotonic();
  const std::size_t enough = results_.size() + kManyResults;
  for (std::size_t i = 0; i < pools_.size() && results_.size() < enough; ++i) {
    Pool& pool = pools_[next_pool_];
    next_pool_ = (next_pool_ + 1) % pools_.size();
    if (!pool.timer || *pool.timer > now) continue;
    pool.timer.reset();
    int running = 0;
    curl_multi_socket_action(pool.multi.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    collect_finished(pool);
  }
}

void CurlSender::collect_finished(const Pool& pool) {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(pool.multi.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    CurlTransfer& transfer = *transfer_of(message->easy_handle);
    finish(transfer, transfer.take_result(code, clock_.monotonic()));
  }
}

void CurlSender::release_lookups() {
  std::vector<TransferId> done;
  std::erase_if(looking_up_, [&](TransferId id) {
    if (!transfers_.at(id).transfer->has_address()) return false;
    done.push_back(id);
    return true;
  });
  for (const TransferId id : done) leave_gate(id, Lookup::ended);
}

void CurlSender::leave_gate(TransferId id, Lookup lookup) {
  const bool began = std::erase(looking_up_, id) > 0;
  if (!began || lookup == Lookup::ended) return admit(gate_.leave(id));
  given_up_.emplace_back(clock_.monotonic() + kLongestLookup, id);
  admit(gate_.abandon(id));
}

void CurlSender::forget_lookups() {
  while (!given_up_.empty() && given_up_.front().first <= clock_.monotonic()) {
    const TransferId id = given_up_.front().second;
    given_up_.pop_front();
    admit(gate_.leave(id));
  }
}

void CurlSender::admit(std::optional<TransferId> next) {
  if (!next) return;
  Active& active = transfers_.at(*next);
  waiting_.erase({active.transfer->deadline(), *next});
  looking_up_.push_back(*next);
  begin(active);
}

void CurlSender::expire_waiting() {
  const Monotonic now = clock_.monotonic();
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const TransferId id = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    CurlTransfer* const transfer = transfers_.at(id).transfer.get();
    results_.push_back(transfer->take_timeout_while_resolving(now));
    leave_gate(id, Lookup::ended);
    put_idle(transfer);
  }
}

// The one that is at the end of idle_.
CurlTransfer& CurlSender::take_idle() {
  if (idle_.empty())
    idle_.push_back(std::make_unique<CurlTransfer>(guard_, clock_, options_.ca_file));
  return *idle_.back();
}

void CurlSender::put_idle(CurlTransfer* transfer) {
  const auto found = transfers_.find(transfer->id());
  if (idle_.size() < kIdleTransfers) idle_.push_back(std::move(found->second.transfer));
  transfers_.erase(found);
}

}  // namespace

std::unique_ptr<Sender> make_curl_sender(const CurlSenderOptions& options,
                                         const AddressGuard& guard, const Clock& clock) {
  return std::make_unique<CurlSender>(options, guard, clock);
}

}  // namespace webhookd
