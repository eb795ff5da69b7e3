#include "api/httplib_bridge.h"

#include <httplib.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace webhookd {
namespace {

// The client's own headers stay away from httplib: it would judge Range and Expect before any
// handler, compress by Accept-Encoding, decode percent signs in values and refuse methods that
// it does not know.
constexpr std::string_view kGet = "GET / HTTP/1.1\r\n\r\n";
constexpr std::string_view kHead = "HEAD / HTTP/1.1\r\n\r\n";

class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view input) : input_(input) {}

  std::string take_output() { return std::move(output_); }

  bool is_readable() const override { return !input_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, std::size_t size) override {
    const std::size_t count = std::min(size, input_.size());
    input_.copy(to, count);
    input_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, std::size_t size) override {
    output_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  // httplib refuses descriptors past FD_SETSIZE; this one is never used.
  socket_t socket() const override { return 0; }

 private:
  std::string_view input_;
  std::string output_;
};

// RFC 9110 section 6.4.1.
bool forbids_content(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

class HttplibBridge::Engine final : private httplib::Server {
 public:
  Engine() {
    set_pre_routing_handler([this](const httplib::Request&, httplib::Response& out) {
      fill(out);
      return HandlerResponse::Handled;
    });
    set_post_routing_handler(
        [this](const httplib::Request&, httplib::Response& out) { correct(out); });
  }

  std::string run(const AnswerFrame& frame, const std::function<HttpResponse()>& response) {
    response_ = &response;
    MemoryStream stream(frame.body == AnswerFrame::Body::left_out ? kHead : kGet);
    bool closed = false;
    process_request(stream, frame.after == AfterAnswer::close, closed, nullptr);
    return stream.take_output();
  }

 private:
  void fill(httplib::Response& out) {
    HttpResponse in = (*response_)();
    out.status = in.status;
    out.body = forbids_content(in.status) ? std::string() : std::move(in.body);
    for (const auto& [name, value] : in.headers) out.set_header(name, value);
    content_type_ = std::move(in.content_type);
    length_ = in.length;
  }

  // Undoes what httplib adds to every answer by itself.
  void correct(httplib::Response& out) const {
    for (const char* const name : {"Keep-Alive", "Accept-Ranges", "Content-Type"}) {
      out.headers.erase(name);
    }
    const bool streams = length_ == HttpResponse::Length::unknown;
    if (streams || forbids_content(out.status)) out.headers.erase("Content-Length");
    if ((streams || !out.body.empty()) && !content_type_.empty()) {
      out.set_header("Content-Type", content_type_);
    }
  }

  const std::function<HttpResponse()>* response_ = nullptr;
  std::string content_type_;
  HttpResponse::Length length_ = HttpResponse::Length::known;
};

HttplibBridge::HttplibBridge() : engine_(std::make_unique<Engine>()) {}
HttplibBridge::~HttplibBridge() = default;

std::string HttplibBridge::run(const AnswerFrame& frame,
                               const std::function<HttpResponse()>& response) {
  return engine_->run(frame, response);
}

}  // namespace webhookd
