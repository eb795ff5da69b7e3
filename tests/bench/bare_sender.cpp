#include "bench/bare_sender.h"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/socket.h"

namespace webhookd::bench {
namespace {

using std::chrono::milliseconds;

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDeleter {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using List = std::unique_ptr<curl_slist, ListDeleter>;

void append(List& list, const char* line) {
  curl_slist* const longer = curl_slist_append(list.get(), line);
  if (longer == nullptr) throw Failed("libcurl: out of memory");
  static_cast<void>(list.release());
  list.reset(longer);
}

// What a delivery carries, with values of the same length that belong to no event.
List request_headers() {
  List list;
  for (const char* line :
       {"Content-Type: application/json", "User-Agent: ScaiKey-Webhook/1.0",
        "X-ScaiKey-Webhook-ID: 1000000", "X-ScaiKey-Event-ID: evt_bench_000000000000",
        "X-ScaiKey-Event-Type: user.created", "X-ScaiKey-Timestamp: 1790000000",
        "X-ScaiKey-Signature: t=1790000000,v1="
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "X-ScaiKey-Attempt: 1", "webhook-id: evt_bench_000000000000",
        "webhook-timestamp: 1790000000",
        "webhook-signature: v1,MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "Expect:",
        "Accept:"}) {
    append(list, line);
  }
  return list;
}

template <typename Value>
void set(CURL* handle, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(handle, option, value);
  if (code != CURLE_OK) throw Failed(std::string{"libcurl: "} + curl_easy_strerror(code));
}

std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

class SendRun {
 public:
  explicit SendRun(const SendPlan& plan);
  SendRun(const SendRun&) = delete;
  SendRun& operator=(const SendRun&) = delete;
  ~SendRun();
  SendResult run();

 private:
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket_state);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  Easy new_transfer() const;
  void start_what_fits();
  void poll();
  void collect_finished();

  const SendPlan& plan_;
  const List headers_;
  FileDescriptor epoll_;
  std::vector<Easy> transfers_;
  std::vector<CURL*> idle_;
  std::unique_ptr<CURLM, MultiDeleter> multi_;  // goes before the handles it may hold
  std::optional<Monotonic> timer_;              // when curl wants to be called
  std::size_t started_ = 0;
  std::size_t finished_ = 0;
  bool stopped_ = false;  // nothing more is started
  Monotonic began_;
};

SendRun::SendRun(const SendPlan& plan)
    : plan_(plan),
      headers_(request_headers()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      multi_(curl_multi_init()) {
  if (!epoll_ || !multi_) throw Failed("libcurl: cannot start");
  for (std::size_t i = 0; i < plan_.in_flight; ++i) {
    transfers_.push_back(new_transfer());
    idle_.push_back(transfers_.back().get());
  }
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &SendRun::on_socket);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &SendRun::on_timer);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, long{CURLPIPE_NOTHING});
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(2 * plan_.in_flight));
}

SendRun::~SendRun() {
  for (const Easy& transfer : transfers_) curl_multi_remove_handle(multi_.get(), transfer.get());
}

Easy SendRun::new_transfer() const {
  Easy easy{curl_easy_init()};
  CURL* const h = easy.get();
  if (h == nullptr) throw Failed("libcurl: out of memory");
  set(h, CURLOPT_URL, plan_.urls.front().c_str());
  set(h, CURLOPT_NOSIGNAL, 1L);
  set(h, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(h, CURLOPT_PROTOCOLS_STR, "http,https");
  set(h, CURLOPT_FOLLOWLOCATION, 0L);
  set(h, CURLOPT_PROXY, "");  // or the environment would choose one
  set(h, CURLOPT_TCP_NODELAY, 1L);
  set(h, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  set(h, CURLOPT_TIMEOUT_MS, 15'000L);
  set(h, CURLOPT_HTTPHEADER, headers_.get());
  set(h, CURLOPT_WRITEFUNCTION, &discard);
  set(h, CURLOPT_POST, 1L);
  set(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(plan_.body.size()));
  set(h, CURLOPT_POSTFIELDS, plan_.body.c_str());
  return easy;
}

int SendRun::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  const int epoll = static_cast<SendRun*>(self)->epoll_.get();
  if (what == CURL_POLL_REMOVE) {
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
    return 0;
  }
  epoll_event event{};
  event.data.fd = fd;
  if (what != CURL_POLL_OUT) event.events |= EPOLLIN;
  if (what != CURL_POLL_IN) event.events |= EPOLLOUT;
  if (::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int SendRun::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& timer = static_cast<SendRun*>(self)->timer_;
  timer.reset();
  if (timeout_ms >= 0) timer = std::chrono::steady_clock::now() + milliseconds{timeout_ms};
  return 0;
}

SendResult SendRun::run() {
  began_ = std::chrono::steady_clock::now();
  start_what_fits();
  while (finished_ < started_ || !stopped_) {
    poll();
    collect_finished();
    start_what_fits();
    if (std::chrono::steady_clock::now() - began_ > plan_.time_limit) {
      throw Failed("after " + std::to_string(plan_.time_limit.count()) + " ms only " +
                   std::to_string(finished_) + " of " + std::to_string(started_) +
                   " posts were answered");
    }
  }
  return {finished_, std::chrono::steady_clock::now() - began_};
}

void SendRun::start_what_fits() {
  if (idle_.empty() || stopped_) return;
  const bool late = std::chrono::steady_clock::now() - began_ > plan_.stop_after;
  while (!idle_.empty() && !late && started_ < plan_.posts) {
    if (plan_.urls.size() > 1) {
      set(idle_.back(), CURLOPT_URL, plan_.urls[started_ % plan_.urls.size()].c_str());
    }
    if (curl_multi_add_handle(multi_.get(), idle_.back()) != CURLM_OK) {
      throw Failed("libcurl: cannot start a transfer");
    }
    idle_.pop_back();
    ++started_;
  }
  stopped_ = late || started_ == plan_.posts;
}

void SendRun::poll() {
  milliseconds timeout{20};  // how late the time limit may be noticed
  const Monotonic now = std::chrono::steady_clock::now();
  if (timer_) timeout = std::min(timeout, std::chrono::ceil<milliseconds>(*timer_ - now));
  std::array<epoll_event, 256> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 std::max(0, static_cast<int>(timeout.count())));
  if (count < 0 && errno != EINTR) fail_with_errno("epoll_wait");
  int running = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    int what = 0;
    if ((event.events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
    curl_multi_socket_action(multi_.get(), event.data.fd, what, &running);
  }
  if (timer_ && *timer_ <= std::chrono::steady_clock::now()) {
    timer_.reset();
    curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
  }
}

void SendRun::collect_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    if (code != CURLE_OK) throw Failed(std::string{"libcurl: "} + curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) throw Failed("the receiver answered " + std::to_string(status));
    curl_multi_remove_handle(multi_.get(), easy);
    idle_.push_back(easy);
    ++finished_;
  }
}

}  // namespace

SendResult run_bare_sender(const SendPlan& plan) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) throw Failed("libcurl: cannot start");
  return SendRun(plan).run();
}

}  // namespace webhookd::bench
