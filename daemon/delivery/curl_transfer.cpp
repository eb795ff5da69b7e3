#include "delivery/curl_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

#include "delivery/curl_faults.h"
#include "shared/ascii.h"
#include "shared/encoding.h"
#include "shared/url.h"

namespace webhookd {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kHeaderBytes = 256 * 1024;
constexpr std::size_t kHeaderLines = 1000;
constexpr long kLongestConnectionLife = 300;  // seconds: then DNS is asked again
constexpr long kLongestIdle = 60;             // seconds

template <typename Value>
void set(CURL* handle, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(handle, option, value);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  assert(code == CURLE_OK);
}

// What is not UTF-8 is read as ISO 8859-1 (RFC 9110 section 5.5), so that it can be shown.
std::string readable(std::string_view text) {
  if (is_utf8(text)) return std::string{text};
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

milliseconds rounded(long long micros) { return milliseconds{(micros + 500) / 1000}; }

std::string endpoint_text(std::string_view address, int port) {
  const bool v6 = address.find(':') != std::string_view::npos;
  return v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

std::string endpoint_text(const sockaddr& address) {
  const std::optional<IpAddress> ip = IpAddress::from_sockaddr(address);
  return ip ? endpoint_text(ip->text(), port_of(address)) : std::string{};
}

}  // namespace

void HeaderLines::append(std::string_view name, std::string_view value) {
  const std::size_t start = text_.size();
  starts_.push_back(start);
  text_ += name;
  // curl sends an empty header only in this form, and takes blanks for empty.
  text_ += value.empty() ? ";" : ": ";
  text_ += value;
  assert(std::none_of(text_.begin() + static_cast<std::ptrdiff_t>(start), text_.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }));
  text_ += '\0';
}

void HeaderLines::assign(const Headers& headers) {
  text_.clear();
  starts_.clear();
  for (const auto& [name, value] : headers) append(name, trimmed(value));
  // curl adds these by itself; one without a value keeps it from doing so.
  for (const std::string_view line : {"Expect:", "Accept:"}) {
    starts_.push_back(text_.size());
    text_ += line;
    text_ += '\0';
  }
  nodes_.resize(starts_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const bool is_last = i + 1 == nodes_.size();
    nodes_[i] = {text_.data() + starts_[i], is_last ? nullptr : &nodes_[i + 1]};
  }
}

CurlTransfer::CurlTransfer(const AddressGuard& guard, const Clock& clock,
                           const std::string& ca_file)
    : handle_(curl_easy_init()), guard_(guard), clock_(clock) {
  if (!handle_) throw std::bad_alloc();
  set_fixed_options(ca_file);
}

void CurlTransfer::set_fixed_options(const std::string& ca_file) {
  CURL* const h = handle_.get();
  set(h, CURLOPT_PRIVATE, this);
  set(h, CURLOPT_NOSIGNAL, 1L);
  set(h, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(h, CURLOPT_HTTP09_ALLOWED, 0L);
  set(h, CURLOPT_PROTOCOLS_STR, "http,https");
  set(h, CURLOPT_FOLLOWLOCATION, 0L);
  set(h, CURLOPT_PROXY, "");  // or the environment would choose one
  set(h, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(h, CURLOPT_POST, 1L);
  set(h, CURLOPT_TCP_NODELAY, 1L);
  set(h, CURLOPT_MAXLIFETIME_CONN, kLongestConnectionLife);
  set(h, CURLOPT_MAXAGE_CONN, kLongestIdle);
  set(h, CURLOPT_DNS_CACHE_TIMEOUT, 0L);  // the cache is walked after every transfer
  set(h, CURLOPT_QUICK_EXIT, 1L);         // never wait for a resolver thread that hangs

  set(h, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  set(h, CURLOPT_HEADERDATA, this);
  set(h, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  set(h, CURLOPT_WRITEDATA, this);
  set(h, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::on_open_socket);
  set(h, CURLOPT_OPENSOCKETDATA, this);
  set(h, CURLOPT_PREREQFUNCTION, &CurlTransfer::on_request);
  set(h, CURLOPT_PREREQDATA, this);

  set(h, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  set(h, CURLOPT_SSL_VERIFYPEER, 1L);
  set(h, CURLOPT_SSL_VERIFYHOST, 2L);
  // A resumed session would hide that the certificate has expired meanwhile.
  set(h, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(h, CURLOPT_SSL_CTX_FUNCTION, &CurlTransfer::on_tls_context);
  set(h, CURLOPT_SSL_CTX_DATA, this);
  if (!ca_file.empty()) set(h, CURLOPT_CAINFO, ca_file.c_str());
  // Without a directory curl reads the authorities once, not for every connection.
  set(h, CURLOPT_CAPATH, static_cast<char*>(nullptr));
}

void CurlTransfer::prepare(TransferId id, SendRequest& request, Monotonic now) {
  id_ = id;
  request_.url = std::move(request.url);
  request_.body = std::move(request.body);
  request_.timeout = request.timeout;
  started_at_ = now;
  lines_to_send_.assign(request.headers);
  stop_ = Stop::none;
  has_address_ = false;
  sockets_opened_ = 0;
  last_address_.clear();
  refused_address_.clear();
  refusal_.reset();
  tls_began_at_.reset();
  certificate_fault_.reset();
  headers_done_ = false;
  header_bytes_ = header_lines_ = body_bytes_ = 0;
  headers_.clear();
  body_.clear();

  CURL* const h = handle_.get();
  set(h, CURLOPT_URL, request_.url.c_str());
  set(h, CURLOPT_HTTPHEADER, lines_to_send_.list());
  set(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  set(h, CURLOPT_POSTFIELDS, request_.body.c_str());
}

void CurlTransfer::begin(Monotonic now) {
  begun_at_ = now;
  const auto left = std::chrono::ceil<milliseconds>(deadline() - now);
  set(handle_.get(), CURLOPT_TIMEOUT_MS, std::max<long>(1, left.count()));
}

// ---- what curl tells us -----------------------------------------------------------------------

std::size_t CurlTransfer::on_header(char* bytes, std::size_t size, std::size_t count, void* self) {
  const std::size_t length = size * count;
  return static_cast<CurlTransfer*>(self)->take_header_line({bytes, length}) ? length : 0;
}

bool CurlTransfer::take_header_line(std::string_view line) {
  header_bytes_ += line.size();
  ++header_lines_;
  if (header_bytes_ > kHeaderBytes || header_lines_ > kHeaderLines) {
    stop_ = Stop::headers_too_large;
    return false;
  }
  if (line.starts_with("HTTP/")) {  // also after a 1xx answer
    headers_.clear();
    headers_done_ = false;
    return true;
  }
  if (trimmed(line).empty()) headers_done_ = true;
  if (headers_done_) return true;  // the empty line, or a trailer
  const auto colon = line.find(':');
  if (line.front() == ' ' || line.front() == '\t') {  // RFC 9112 section 5.2: a folded line
    if (!headers_.empty()) headers_.back().second += " " + readable(trimmed(line));
  } else if (colon != std::string_view::npos) {
    headers_.emplace_back(readable(trimmed(line.substr(0, colon))),
                          readable(trimmed(line.substr(colon + 1))));
  }
  return true;
}

std::size_t CurlTransfer::on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
  const std::size_t length = size * count;
  return static_cast<CurlTransfer*>(self)->take_body({bytes, length}) ? length : 0;
}

bool CurlTransfer::take_body(std::string_view bytes) {
  body_.append(bytes.substr(0, kKeptResponseBytes - body_.size()));
  body_bytes_ += bytes.size();
  if (body_bytes_ <= kReadResponseBytes) return true;
  stop_ = Stop::body_long_enough;
  return false;
}

curl_socket_t CurlTransfer::on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  transfer.has_address_ = true;
  if (auto refusal = transfer.guard_.refusal(address->addr)) {
    transfer.refused_address_ = endpoint_text(address->addr);
    transfer.refusal_ = std::move(refusal);
    return CURL_SOCKET_BAD;
  }
  transfer.last_address_ = endpoint_text(address->addr);
  ++transfer.sockets_opened_;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Called before every request. A connection that is used again was judged when it was made, and is
// judged again here.
int CurlTransfer::on_request(void* self, char* remote, char*, int, int) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  transfer.has_address_ = true;
  // curl sends again by itself when a connection that is used again ends without an answer. If
  // anything had been written, the receiver may have taken the request all the same, so an attempt
  // sends once. If nothing had, the connection was dead before, and another one is no second time.
  long written = 0;
  curl_easy_getinfo(transfer.handle(), CURLINFO_REQUEST_SIZE, &written);
  if (written > 0) {
    transfer.stop_ = Stop::sent_before;
    return CURL_PREREQFUNC_ABORT;
  }
  const std::optional<IpAddress> ip = IpAddress::parse(remote);
  transfer.refusal_ =
      ip ? transfer.guard_.refusal(*ip) : "the address of the connection is unknown";
  return transfer.refusal_ ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

// TCP is connected, and TLS begins. curl itself says when it connected only after a good handshake.
CURLcode CurlTransfer::on_tls_context(CURL*, void* context, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  transfer.tls_began_at_ = transfer.clock_.monotonic();
  watch_certificates(static_cast<SSL_CTX*>(context), transfer.certificate_fault_);
  return CURLE_OK;
}

// ---- the result -------------------------------------------------------------------------------

SendResult CurlTransfer::take_result(CURLcode code, Monotonic now) {
  SendResult result;
  result.id = id_;
  result.error = error_of(code);
  result.duration = std::chrono::round<milliseconds>(now - started_at_);
  result.timings = timings();
  result.remote_address = remote_address();
  long status = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  // An interim answer (1xx) that nothing followed is none.
  if (status >= 200 || (status > 0 && headers_done_ && !result.error)) {
    result.status = static_cast<int>(status);
    result.headers = std::move(headers_);
    result.body = std::move(body_);
  }
  request_ = {};
  return result;
}

SendResult CurlTransfer::take_flooded(Monotonic now) {
  stop_ = headers_done_ ? Stop::body_long_enough : Stop::headers_too_large;
  return take_result(CURLE_WRITE_ERROR, now);
}

SendResult CurlTransfer::take_timeout_while_resolving(Monotonic now) {
  SendResult result;
  result.id = id_;
  result.error = timeout_fault(request_.timeout, SendPhase::resolving);
  result.duration = std::chrono::round<milliseconds>(now - started_at_);
  request_ = {};
  return result;
}

std::optional<DeliveryError> CurlTransfer::error_of(CURLcode code) const {
  if (code == CURLE_OK || stop_ == Stop::body_long_enough) return std::nullopt;
  if (stop_ == Stop::headers_too_large) return headers_too_large_fault();
  if (code == CURLE_OPERATION_TIMEDOUT) return timeout_fault(request_.timeout, phase());
  // Refused addresses do not matter while another of the name's could be tried.
  if (refusal_ && (sockets_opened_ == 0 || code == CURLE_ABORTED_BY_CALLBACK)) {
    return DeliveryError{ErrorKind::blocked_address, *refusal_};
  }
  if (stop_ == Stop::sent_before) code = CURLE_GOT_NOTHING;
  FaultDetail detail;
  const auto url = parse_url(request_.url);
  if (const auto* parsed = std::get_if<Url>(&url)) detail.host = parsed->host;
  detail.address = remote_address().value_or(detail.host);
  detail.certificate_fault = certificate_fault_;
  detail.answer_began = header_lines_ > 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_OS_ERRNO, &detail.os_error);
  return curl_fault(code, detail);
}

SendPhase CurlTransfer::phase() const {
  if (!has_address_) return SendPhase::resolving;
  if (header_lines_ > 0) return SendPhase::reading;
  if (tls_began_at_ && micros(CURLINFO_APPCONNECT_TIME_T) == 0) return SendPhase::tls_handshake;
  if (sockets_opened_ > 0 && connect_micros() == 0) return SendPhase::connecting;
  const auto sent = static_cast<std::size_t>(micros(CURLINFO_SIZE_UPLOAD_T));
  return sent < request_.body.size() ? SendPhase::sending : SendPhase::waiting;
}

// Times, and also sizes: curl gives both as a curl_off_t.
long long CurlTransfer::micros(CURLINFO info) const {
  curl_off_t value = 0;
  curl_easy_getinfo(handle_.get(), info, &value);
  return value;
}

// Since it was handed to curl; 0 while there is no connection.
long long CurlTransfer::connect_micros() const {
  if (!tls_began_at_) return micros(CURLINFO_CONNECT_TIME_T);
  return std::max<long long>(
      1, std::chrono::round<std::chrono::microseconds>(*tls_began_at_ - begun_at_).count());
}

Timings CurlTransfer::timings() const {
  const auto resolved = micros(CURLINFO_NAMELOOKUP_TIME_T);
  const auto connected = std::max(connect_micros(), resolved);
  const auto secured = micros(CURLINFO_APPCONNECT_TIME_T);
  const auto sending = micros(CURLINFO_PRETRANSFER_TIME_T);
  const auto answered = micros(CURLINFO_STARTTRANSFER_TIME_T);
  Timings timings;
  if (sockets_opened_ > 0) {
    if (resolved > 0) timings.dns = rounded(resolved);
    if (connect_micros() > 0) timings.connect = rounded(connected - resolved);
    if (secured >= connected && connected > 0) timings.tls = rounded(secured - connected);
  }
  if (header_lines_ > 0 && answered >= sending) timings.first_byte = rounded(answered - sending);
  return timings;
}

std::optional<std::string> CurlTransfer::remote_address() const {
  const char* ip = nullptr;
  long port = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_PRIMARY_IP, &ip);
  curl_easy_getinfo(handle_.get(), CURLINFO_PRIMARY_PORT, &port);
  if (sockets_opened_ == 0 && !refused_address_.empty()) return refused_address_;
  // While connecting curl may know none yet, or one of several.
  const bool connected = sockets_opened_ == 0 || connect_micros() > 0;
  if (connected && ip != nullptr && *ip != '\0') return endpoint_text(ip, static_cast<int>(port));
  if (last_address_.empty()) return std::nullopt;
  return last_address_;
}

}  // namespace webhookd
