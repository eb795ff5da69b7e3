#pragma once

#include <cstddef>
#include <string>

namespace webhookd::bench {

inline constexpr std::size_t kEventBytes = 512;

// Tenants have one endpoint each where there are several: event i is of tenant i % endpoints.
std::string tenant_of(std::size_t endpoint);

// Exactly kEventBytes of text in the shape of a publish request's body, the event id being
// event_id_of(index). It names a tenant when there are several endpoints.
std::string event_body(std::size_t index, std::size_t endpoints = 1);

// Writes the requests of a load, each from one text in which only ids are replaced, so that the
// generator costs next to nothing.
class PublishRequest {
 public:
  // POST /api/v1/events with one event, or POST /api/v1/events/batch with `batch` of them, as
  // NDJSON. Request i holds the events first + i * batch and following.
  enum class Form { single, batch };
  struct Options {
    Form form = Form::single;
    std::size_t batch = 1;
    std::size_t endpoints = 1;
    std::size_t first = 0;
  };
  PublishRequest(const std::string& token, const Options& options);

  void operator()(std::size_t index, std::string& out) const;

 private:
  void append_event(std::size_t index, std::string& out) const;

  const Options options_;
  std::string head_;
  std::string event_;
  std::size_t id_at_ = 0;      // in event_
  std::size_t tenant_at_ = 0;  // in event_
};

}  // namespace webhookd::bench
