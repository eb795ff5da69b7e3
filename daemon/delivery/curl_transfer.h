#pragma once

// One HTTP exchange of the curl sender: a curl handle, what its callbacks collect, and the
// rendering of both as a SendResult.

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/address_guard.h"
#include "delivery/curl_faults.h"
#include "delivery/sender.h"
#include "shared/time.h"

namespace webhookd {

struct CurlEasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using CurlEasy = std::unique_ptr<CURL, CurlEasyDeleter>;

// The header lines of a request as curl reads them. Their memory serves one request after the
// other.
class HeaderLines {
 public:
  void assign(const Headers& headers);
  // Until the next assign(). curl never changes what it points to.
  curl_slist* list() { return nodes_.data(); }

 private:
  void append(std::string_view name, std::string_view value);

  std::string text_;                 // each line ends with NUL
  std::vector<std::size_t> starts_;  // of lines in it
  std::vector<curl_slist> nodes_;
};

// Used again and again: prepare(), hand handle() to a multi handle, take_result() when it is done.
// Callbacks hold its address, so it stays where it is.
class CurlTransfer {
 public:
  // `guard` and `clock` must outlive it. `ca_file` empty: the system's authorities.
  CurlTransfer(const AddressGuard& guard, const Clock& clock, const std::string& ca_file);
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  // Takes all of the request but its headers. The deadline counts from here.
  void prepare(TransferId id, SendRequest& request, Monotonic now);

  // Call right before handle() joins the multi handle.
  void begin(Monotonic now);

  CURL* handle() const { return handle_.get(); }
  TransferId id() const { return id_; }
  Monotonic deadline() const { return started_at_ + request_.timeout; }
  const std::string& url() const { return request_.url; }

  SendResult take_result(CURLcode code, Monotonic now);
  // For one whose deadline passed before it began.
  SendResult take_timeout_while_resolving(Monotonic now);

  // It has received more than any answer needs: ends it as far as it has come. The multi handle
  // must let go of handle() afterwards.
  SendResult take_flooded(Monotonic now);

  // The name is resolved, or a connection is used again.
  bool has_address() const { return has_address_; }

 private:
  // What our own callbacks found wrong, which curl reports as a failed write or callback.
  enum class Stop { none, headers_too_large, body_long_enough, sent_before };

  void set_fixed_options(const std::string& ca_file);
  static std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self);
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int on_request(void* self, char* remote, char* local, int remote_port, int local_port);
  static CURLcode on_tls_context(CURL* handle, void* context, void* self);

  bool take_header_line(std::string_view line);
  bool take_body(std::string_view bytes);

  std::optional<DeliveryError> error_of(CURLcode code) const;
  SendPhase phase() const;
  long long micros(CURLINFO info) const;
  long long connect_micros() const;
  Timings timings() const;
  std::optional<std::string> remote_address() const;

  CurlEasy handle_;
  const AddressGuard& guard_;
  const Clock& clock_;

  TransferId id_;
  SendRequest request_;
  HeaderLines lines_to_send_;
  Monotonic started_at_;  // at the gate for lookups
  Monotonic begun_at_;    // handed to curl, whose times count from here
  std::optional<Monotonic> tls_began_at_;

  Stop stop_ = Stop::none;
  bool has_address_ = false;
  int sockets_opened_ = 0;
  std::string last_address_;            // the last one that was connected to, or tried to be
  std::string refused_address_;         // the last one that the address guard refused
  std::optional<std::string> refusal_;  // by the address guard
  std::optional<std::string> certificate_fault_;
  bool headers_done_ = false;
  std::size_t header_bytes_ = 0;
  std::size_t header_lines_ = 0;
  std::size_t body_bytes_ = 0;
  Headers headers_;
  std::string body_;
};

}  // namespace webhookd
