#include <fmt/format.h>

#include <chrono>

#include "bench/bare_sender.h"
#include "bench/publish_rig.h"
#include "bench/rates.h"
#include "bench/receiver.h"
#include "bench/samples.h"
#include "bench/scenario.h"

namespace webhookd::bench {
namespace {

using std::chrono::seconds;

constexpr std::size_t kBarePostsPerEvent = 2;
constexpr seconds kBareTime{3};
constexpr seconds kPublishTime{15};
constexpr seconds kRoundLimit{90};

// How events are published, to how many endpoints, and what must come of it.
struct Course {
  std::string name;  // of the row
  std::size_t endpoints = 1;
  PublishRequest::Form form = PublishRequest::Form::single;
  double goal = 0;
};

double bare_rate(const Context& context, std::size_t endpoints) {
  // The receiver does the same work as for the daemon's POSTs, although these tell nothing.
  Arrivals arrivals(1);
  Receiver receiver([&](const HttpMessage& request) {
    arrivals.record(request);
    return 200;
  });
  SendPlan plan;
  for (std::size_t i = 0; i < endpoints; ++i) {
    plan.urls.push_back(receiver.url(fmt::format("/hook/{}", i)));
  }
  plan.body = event_body(0);
  plan.posts = kBarePostsPerEvent * context.events;
  plan.stop_after = kBareTime;
  const SendResult result = run_bare_sender(plan);
  receiver.check();
  if (receiver.requests() != result.posts) {
    throw Failed(fmt::format("the bare sender sent {} posts, the receiver got {}", result.posts,
                             receiver.requests()));
  }
  return per_second(result.posts, result.took);
}

struct EndToEnd {
  double rate = 0;      // first POST to everything recorded
  double accepted = 0;  // first POST to last answer
};

EndToEnd end_to_end(const Context& context, const Course& course) {
  RigPlan rig_plan;
  rig_plan.events = context.events;
  rig_plan.endpoints = course.endpoints;
  // A hundred have more than enough by default.
  if (course.endpoints == 1) rig_plan.webhook = {{"max_in_flight", kMostInFlight}};
  PublishRig rig(context, rig_plan);
  const bool single = course.form == PublishRequest::Form::single;
  LoadPlan plan =
      single ? rig.publishing(context.events) : rig.publishing_batches(context.events, kBatch);
  plan.stop_after = kPublishTime;
  plan.time_limit = kRoundLimit;
  const LoadResult load = run_load(plan);
  const std::size_t count = load.exchanges.size() * (single ? 1 : kBatch);
  rig.wait_until_received(count, load.began + kRoundLimit);
  const Monotonic ended = rig.wait_until_recorded(count, load.began + kRoundLimit);
  rig.finish();
  return {per_second(count, ended - load.began), per_second(count, load.ended - load.began)};
}

std::string manner(const Course& course) {
  return course.form == PublishRequest::Form::single
             ? "single POSTs over 32 connections"
             : fmt::format("batches of {} over 32 connections", kBatch);
}

std::vector<Row> measure_course(const Context& context, const Course& course) {
  Samples bare;
  Samples whole;
  Samples accepted;
  Samples ratio;
  for (int round = 0; round < context.rounds; ++round) {
    // Side by side, so that a slow spell of the machine meets both.
    const double alone = bare_rate(context, course.endpoints);
    const EndToEnd rates = end_to_end(context, course);
    bare.add_number(alone);
    whole.add_number(rates.rate);
    accepted.add_number(rates.accepted);
    ratio.add_number(rates.rate / alone);
  }
  return {
      {"bare_sender" + course.name, bare.median(), "POST/s", std::nullopt,
       fmt::format("libcurl multi, 64 in flight, the same POSTs to {} URLs; {}", course.endpoints,
                   bare.spread(0))},
      {"end_to_end" + course.name, whole.median(), "events/s", std::nullopt,
       fmt::format("{} x 512 B, {}, first POST to all recorded; {}; accepted at {:.0f}/s",
                   context.events, manner(course), whole.spread(0), accepted.median())},
      {"end_to_end" + course.name + "_ratio", ratio.median(), "x bare",
       Goal{Goal::Side::at_least, course.goal},
       fmt::format("{} endpoints; {}", course.endpoints, ratio.spread(3))},
  };
}

std::vector<Row> measure_both(const Context& context, const Course& one, const Course& hundred) {
  std::vector<Row> rows = measure_course(context, one);
  const std::vector<Row> more = measure_course(context, hundred);
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace

std::vector<Row> measure_throughput(const Context& context) {
  return measure_both(context, {"", 1, PublishRequest::Form::single, 0.40},
                      {"_100", 100, PublishRequest::Form::single, 0.35});
}

std::vector<Row> measure_batches(const Context& context) {
  return measure_both(context, {"_batches", 1, PublishRequest::Form::batch, 0.55},
                      {"_batches_100", 100, PublishRequest::Form::batch, 0.55});
}

}  // namespace webhookd::bench
