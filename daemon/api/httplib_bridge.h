#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/collector.h"
#include "api/http.h"

namespace webhookd {

// What the wire wants to know beyond the response.
struct AnswerFrame {
  enum class Body { sent, left_out };  // left out for HEAD: the headers are those of GET
  Body body = Body::sent;
  AfterAnswer after = AfterAnswer::keep_open;
};

// The only place that knows cpp-httplib and its version. httplib reads a request line of ours
// from memory, calls back for the response, and writes that into memory: sockets, bounds,
// request headers and bodies are never its business. Not thread-safe: each thread has its own.
class HttplibBridge {
 public:
  HttplibBridge();
  ~HttplibBridge();
  HttplibBridge(const HttplibBridge&) = delete;
  HttplibBridge& operator=(const HttplibBridge&) = delete;

  // The bytes of the answer. `response` is called once and must not throw.
  std::string run(const AnswerFrame& frame, const std::function<HttpResponse()>& response);

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace webhookd
