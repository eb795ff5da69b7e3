#include "bench/publish_request.h"

#include <fmt/format.h>

#include "bench/arrivals.h"

namespace webhookd::bench {

std::string tenant_of(std::size_t endpoint) { return fmt::format("tnt_{:06}", endpoint); }

std::string event_body(std::size_t index, std::size_t endpoints) {
  std::string body =
      fmt::format(R"({{"event_id":"{}","event_type":"user.created",)", event_id_of(index));
  if (endpoints > 1) body += fmt::format(R"("tenant_id":"{}",)", tenant_of(index % endpoints));
  body += R"("data":{"text":")";
  constexpr std::string_view kEnd = "\"}}";
  body.append(kEventBytes - kEnd.size() - body.size(), 'x');
  return body.append(kEnd);
}

PublishRequest::PublishRequest(const std::string& token, const Options& options)
    : options_(options),
      event_(event_body(0, options.endpoints)),
      id_at_(event_.find(event_id_of(0))),
      tenant_at_(event_.find(tenant_of(0))) {
  const bool single = options.form == Form::single;
  const std::size_t length = single ? kEventBytes : options.batch * (kEventBytes + 1);
  head_ = fmt::format(
      "POST /api/v1/events{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
      "Content-Type: application/{}\r\nContent-Length: {}\r\n\r\n",
      single ? "" : "/batch", token, single ? "json" : "x-ndjson", length);
}

void PublishRequest::operator()(std::size_t index, std::string& out) const {
  out += head_;
  for (std::size_t i = 0; i < options_.batch; ++i) {
    append_event(options_.first + index * options_.batch + i, out);
    if (options_.form == Form::batch) out += '\n';
  }
}

void PublishRequest::append_event(std::size_t index, std::string& out) const {
  const std::size_t begin = out.size();
  out += event_;
  const std::string id = event_id_of(index);
  out.replace(begin + id_at_, id.size(), id);
  if (tenant_at_ == std::string::npos) return;
  const std::string tenant = tenant_of(index % options_.endpoints);
  out.replace(begin + tenant_at_, tenant.size(), tenant);
}

}  // namespace webhookd::bench
