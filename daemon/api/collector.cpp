#include "api/collector.h"

#include <algorithm>
#include <utility>

namespace webhookd {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::size_t kChunkLineBytes = 256;
// A body's buffer starts small: what a client announces is no reason to set memory aside.
constexpr std::size_t kFirstBodyBytes = 1024;
constexpr std::size_t kFirstHeadBytes = 512;

constexpr Refusal kBodyTooLarge{413, "The request body is too large"};
constexpr Refusal kBadChunk{400, "The chunked body is malformed"};

bool is_batch_path(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path == "/api/v1/events/batch";
}

// RFC 3986 section 3.2, loosely: what could be read as something else is refused.
bool is_host(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return is_token_character(c) || std::string_view("()[]:;,=").find(c) != std::string_view::npos;
  });
}

}  // namespace

Collector::Fed Collector::feed(std::string_view bytes) {
  const std::size_t given = bytes.size();
  if (head_.capacity() < kFirstHeadBytes) head_.reserve(kFirstHeadBytes);
  while (!bytes.empty() && state_ != State::complete && state_ != State::refused) step(bytes);
  Fed fed{Progress::need_more, given - bytes.size()};
  if (state_ == State::complete) fed.progress = Progress::complete;
  if (state_ == State::refused) fed.progress = Progress::refused;
  return fed;
}

void Collector::step(std::string_view& bytes) {
  switch (state_) {
    case State::request_line:
      return read_request_line(bytes);
    case State::header_lines:
      return read_header_line(bytes);
    case State::sized_body:
      return read_body(bytes, State::complete);
    case State::chunk_size:
      return read_chunk_size(bytes);
    case State::chunk_body:
      return read_body(bytes, State::chunk_end);
    case State::chunk_end:
      return read_chunk_end(bytes);
    case State::trailers:
      return read_trailer(bytes);
    case State::complete:
    case State::refused:
      return;
  }
}

std::optional<std::string_view> Collector::next_line(std::string_view& bytes, std::size_t limit,
                                                     Refusal too_long) {
  const std::size_t held = head_.size() - line_start_;
  const auto end = bytes.find('\n');
  const std::size_t wanted = end == std::string_view::npos ? bytes.size() : end + 1;
  // A line that fills the limit without its end would exceed it with it.
  if (held + wanted > limit || (end == std::string_view::npos && held + wanted == limit)) {
    refuse(too_long);
    return std::nullopt;
  }
  head_.append(bytes.substr(0, wanted));
  bytes.remove_prefix(wanted);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = std::string_view(head_).substr(line_start_);
  if (!line.ends_with(kLineEnd)) {
    refuse({400, "A line does not end in CRLF"});
    return std::nullopt;
  }
  line.remove_suffix(kLineEnd.size());
  return line;
}

void Collector::read_request_line(std::string_view& bytes) {
  // Known to be no HTTP by its first byte (TLS, say): no line end would ever come.
  if (head_.empty() && bytes.front() != '\r' && !is_token_character(bytes.front())) {
    return refuse({400, "The request line is malformed"});
  }
  const auto line =
      next_line(bytes, limits_->request_line_bytes, {414, "The request line is too long"});
  if (!line) return;
  if (line->empty() && !skipped_empty_line_) {
    // RFC 9112 section 2.2: old clients send one after a body.
    skipped_empty_line_ = true;
    return drop_line();
  }
  const auto parsed = parse_request_line(*line);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(*refusal);
  const RequestLine& request = std::get<RequestLine>(parsed);
  const auto target = parse_target(request.target);
  if (!target) return refuse({400, "The request target is malformed"});
  body_limit_ = is_batch_path(target->path) ? limits_->batch_body_bytes : limits_->body_bytes;
  is_head_ = request.method == "HEAD";
  version_ = request.version;
  if (version_ == HttpVersion::http_1_0) after_ = AfterAnswer::close;
  line_start_ = header_start_ = head_.size();
  state_ = State::header_lines;
}

void Collector::read_header_line(std::string_view& bytes) {
  const std::size_t used = line_start_ - header_start_;
  // The empty line that ends the section always has room.
  const auto line = next_line(bytes, limits_->header_bytes - used + kLineEnd.size(),
                              {431, "The request headers are too large"});
  if (!line) return;
  if (line->empty()) {
    drop_line();
    return accept_head();
  }
  if (head_.size() - header_start_ > limits_->header_bytes) {
    return refuse({431, "The request headers are too large"});
  }
  if (++header_count_ > limits_->header_count) {
    return refuse({431, "The request has too many headers"});
  }
  const auto parsed = parse_header_line(*line);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(*refusal);
  note_header(std::get<HeaderLine>(parsed));
  line_start_ = head_.size();
}

void Collector::note_header(const HeaderLine& header) {
  if (equal_ignoring_case(header.name, "content-length")) return note_length(header.value);
  if (equal_ignoring_case(header.name, "host")) return note_host(header.value);
  if (equal_ignoring_case(header.name, "transfer-encoding")) {
    ++transfer_encodings_;
    chunked_ = equal_ignoring_case(header.value, "chunked");
  } else if (equal_ignoring_case(header.name, "expect")) {
    if (!equal_ignoring_case(header.value, "100-continue")) {
      return refuse({417, "The expectation is not supported"});  // RFC 9110 section 10.1.1
    }
    expects_continue_ = true;
  } else if (equal_ignoring_case(header.name, "connection")) {
    if (list_has(header.value, "close")) after_ = AfterAnswer::close;
  } else if (equal_ignoring_case(header.name, "x-request-id")) {
    if (request_id_.empty() && is_request_id(header.value)) request_id_ = header.value;
  }
}

void Collector::note_length(std::string_view value) {
  if (content_length_) return refuse({400, "Content-Length is given twice"});
  content_length_ = parse_content_length(value);
  if (!content_length_) return refuse({400, "Content-Length is malformed"});
}

void Collector::note_host(std::string_view value) {
  if (++hosts_ > 1) return refuse({400, "Host is given twice"});
  if (!is_host(value)) return refuse({400, "Host is malformed"});
}

void Collector::accept_head() {
  if (version_ == HttpVersion::http_1_1 && hosts_ == 0) return refuse({400, "Host is missing"});
  if (transfer_encodings_ == 0) return begin_sized_body();
  // RFC 9112 section 6.1: both together is how requests are smuggled.
  if (content_length_) {
    return refuse({400, "Content-Length and Transfer-Encoding exclude each other"});
  }
  if (version_ == HttpVersion::http_1_0) {
    return refuse({400, "Transfer-Encoding does not exist in HTTP/1.0"});
  }
  if (transfer_encodings_ > 1 || !chunked_) {
    return refuse({501, "Only the transfer encoding \"chunked\" is supported"});
  }
  state_ = State::chunk_size;
}

void Collector::begin_sized_body() {
  body_left_ = content_length_.value_or(0);
  if (body_left_ > body_limit_) return refuse(kBodyTooLarge);
  state_ = body_left_ == 0 ? State::complete : State::sized_body;
}

void Collector::read_body(std::string_view& bytes, State then) {
  const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes.size()));
  const std::size_t needed = body_.size() + part;
  if (needed > body_.capacity()) {
    const std::size_t most = chunked_ ? body_limit_ : body_.size() + body_left_;
    // A string of its own: reserve() may double what a string has, beyond all that will come.
    std::string larger;
    larger.reserve(std::max(needed, std::min(std::max(2 * body_.size(), kFirstBodyBytes), most)));
    larger += body_;
    body_ = std::move(larger);
  }
  body_.append(bytes.substr(0, part));
  bytes.remove_prefix(part);
  body_left_ -= part;
  if (body_left_ == 0) state_ = then;
}

void Collector::read_chunk_size(std::string_view& bytes) {
  const auto line = next_line(bytes, kChunkLineBytes, kBadChunk);
  if (!line) return;
  const auto size = parse_chunk_size(*line);
  if (!size) return refuse(kBadChunk);
  drop_line();
  if (*size > body_limit_ - body_.size()) return refuse(kBodyTooLarge);
  body_left_ = *size;
  state_ = *size == 0 ? State::trailers : State::chunk_body;
}

void Collector::read_chunk_end(std::string_view& bytes) {
  const auto line = next_line(bytes, kLineEnd.size() + 1, kBadChunk);
  if (!line) return;
  if (!line->empty()) return refuse(kBadChunk);
  drop_line();
  state_ = State::chunk_size;
}

void Collector::read_trailer(std::string_view& bytes) {
  const auto line = next_line(bytes, limits_->header_bytes - trailer_bytes_ + kLineEnd.size(),
                              {431, "The trailers are too large"});
  if (!line) return;
  if (line->empty()) {
    drop_line();
    state_ = State::complete;
    return;
  }
  trailer_bytes_ += line->size() + kLineEnd.size();
  if (trailer_bytes_ > limits_->header_bytes || ++trailer_count_ > limits_->header_count) {
    return refuse({431, "The trailers are too large"});
  }
  const auto parsed = parse_header_line(*line);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(*refusal);
  drop_line();
}

void Collector::refuse(Refusal refusal) {
  refusal_ = refusal;
  state_ = State::refused;
  free_text(head_);
  free_text(body_);
  line_start_ = header_start_ = 0;
}

bool Collector::take_continue() {
  const bool body_to_come = state_ == State::sized_body || state_ == State::chunk_size;
  const bool wanted = expects_continue_ && body_to_come && version_ == HttpVersion::http_1_1;
  if (wanted) expects_continue_ = false;
  return wanted;
}

Collector::Collected Collector::take() {
  Collected collected;
  collected.after = after_;
  HttpRequest& request = collected.request;
  std::string_view rest = std::string_view(head_).substr(0, header_start_ - kLineEnd.size());
  const auto parsed_line = parse_request_line(rest);
  const RequestLine& line = std::get<RequestLine>(parsed_line);
  auto target = parse_target(line.target);
  request.method = line.method;
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  rest = std::string_view(head_).substr(header_start_);
  request.headers.reserve(header_count_);
  while (!rest.empty()) {
    const auto end = rest.find(kLineEnd);
    const auto parsed = parse_header_line(rest.substr(0, end));
    const HeaderLine& header = std::get<HeaderLine>(parsed);
    request.headers.emplace_back(lower_case(header.name), header.value);
    rest.remove_prefix(end + kLineEnd.size());
  }
  request.body = std::move(body_);
  request.request_id = std::move(request_id_);
  reset();
  return collected;
}

void Collector::reset() {
  free_text(head_);
  free_text(body_);
  *this = Collector(*limits_);
}

}  // namespace webhookd
