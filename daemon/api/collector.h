#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/http.h"
#include "api/message_syntax.h"
#include "api/server.h"

namespace webhookd {

// An assigned empty string would keep the memory that it has.
inline void free_text(std::string& text) { std::string().swap(text); }

enum class AfterAnswer { keep_open, close };

// Makes one bounded, complete request out of the bytes of a connection, however they are cut.
// Knows no socket and no clock. Not thread-safe. After a refusal the connection must not be read
// as requests any more: where the next one would begin is unknown.
class Collector {
 public:
  enum class Progress { need_more, complete, refused };

  struct Fed {
    Progress progress = Progress::need_more;
    std::size_t consumed = 0;  // less than what was given only when no more is needed
  };

  struct Collected {
    HttpRequest request;  // without remote and peer; request_id only when the caller's is sane
    AfterAnswer after = AfterAnswer::keep_open;
  };

  // `limits` must outlive the collector.
  explicit Collector(const ServerLimits& limits) : limits_(&limits) {}

  // Only after need_more.
  Fed feed(std::string_view bytes);

  // True once after a header section with "Expect: 100-continue" was accepted and its body is
  // still to come.
  bool take_continue();

  // The refusal that the last feed ended with.
  const Refusal& refusal() const { return refusal_; }

  // What is known by then of a request that was refused or cut short: its caller's id (empty
  // when there is none or it is not sane), and whether its answer must have no body.
  const std::string& request_id() const { return request_id_; }
  bool is_head() const { return is_head_; }

  // Bytes that are held for this request.
  std::size_t memory() const { return head_.capacity() + body_.capacity(); }

  // The complete request; afterwards the collector is ready for the next one.
  Collected take();

  // Forgets what was collected, and frees it.
  void reset();

 private:
  enum class State {
    request_line,
    header_lines,
    sized_body,
    chunk_size,
    chunk_body,
    chunk_end,
    trailers,
    complete,
    refused
  };

  // Moves the next line, its CRLF included, to the end of head_. Absent when it is not all there,
  // or longer than `limit`: then refused with `too_long`.
  std::optional<std::string_view> next_line(std::string_view& bytes, std::size_t limit,
                                            Refusal too_long);
  void drop_line() { head_.resize(line_start_); }

  void step(std::string_view& bytes);
  void read_request_line(std::string_view& bytes);
  void read_header_line(std::string_view& bytes);
  void note_header(const HeaderLine& header);
  void note_length(std::string_view value);
  void note_host(std::string_view value);
  void accept_head();
  void begin_sized_body();
  void read_body(std::string_view& bytes, State then);
  void read_chunk_size(std::string_view& bytes);
  void read_chunk_end(std::string_view& bytes);
  void read_trailer(std::string_view& bytes);
  void refuse(Refusal refusal);

  const ServerLimits* limits_;
  State state_ = State::request_line;
  bool skipped_empty_line_ = false;
  std::string
      head_;  // request line and header lines, each with its CRLF; then a line in the making
  std::size_t line_start_ = 0;
  std::size_t header_start_ = 0;
  std::size_t header_count_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_count_ = 0;
  std::string body_;
  std::size_t body_limit_ = 0;
  std::uint64_t body_left_ = 0;  // of a sized body or of a chunk

  HttpVersion version_ = HttpVersion::http_1_1;
  std::optional<std::uint64_t> content_length_;
  std::size_t transfer_encodings_ = 0;
  bool chunked_ = false;
  std::size_t hosts_ = 0;
  bool expects_continue_ = false;
  AfterAnswer after_ = AfterAnswer::keep_open;
  std::string request_id_;
  bool is_head_ = false;
  Refusal refusal_;
};

}  // namespace webhookd
