// retry and cancel by filter, and replay, against a server that is one of ours.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/stub_server.h"

using namespace webhookd::tests;

namespace {

const std::string kOneWebhook = "/api/v1/admin/webhooks/wh-1";

// A page of an answer for many; the cursor's text, or nothing.
Canned page(const char* changed, int matched, const char* cursor = nullptr, int skipped = 0) {
  Json body = {{"matched", matched}, {changed, matched - skipped}, {"skipped", skipped}};
  body["next_cursor"] = cursor == nullptr ? Json() : Json(cursor);
  return {200, body.dump(), {}};
}

struct ManyFixture {
  ManyFixture() {
    server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
    server.answer("GET " + kOneWebhook, {200, R"({"id":"wh-1"})", {{"webhookd-version", "1"}}});
  }
  Ran run(std::vector<std::string> arguments, const Circumstances& circumstances = {}) {
    arguments.insert(arguments.begin(), {"--server", server.url()});
    return run_program(arguments, circumstances);
  }
  // What was posted, in order.
  std::vector<Json> posted() {
    std::vector<Json> bodies;
    for (const Seen& seen : server.seen()) {
      if (seen.method == "POST") bodies.push_back(Json::parse(seen.body));
    }
    return bodies;
  }

  StubServer server;
};

}  // namespace

TEST_CASE("retry by filter goes from page to page and tells the sum") {
  ManyFixture f;
  f.server.answer_in_turn("POST " + kOneWebhook + "/deliveries/retry",
                          {page("retried", 1000, "c1", 2), page("retried", 7)});
  const Ran ran = f.run({"retry", "one", "--status", "failed", "--http", "5xx", "--event", "a.b"});
  CHECK(ran.exit == 0);
  CHECK(ran.out == "field\tvalue\nmatched\t1007\nretried\t1005\nskipped\t2\n");
  const auto posted = f.posted();
  REQUIRE(posted.size() == 2);
  const Json first = {
      {"status", "failed"}, {"event_type", "a.b"}, {"response_status", "5xx"}, {"limit", 1000}};
  CHECK(posted[0] == first);
  CHECK(posted[1]["cursor"] == "c1");
  CHECK(posted[1]["status"] == "failed");
}

TEST_CASE("a limit holds over all pages, and what is left is said") {
  ManyFixture f;
  f.server.answer_in_turn("POST " + kOneWebhook + "/deliveries/cancel",
                          {page("cancelled", 1000, "c1"), page("cancelled", 500, "c2")});
  const Ran ran = f.run({"cancel", "one", "--status", "pending", "--limit", "1500", "-o", "json"});
  CHECK(ran.exit == 0);
  CHECK(Json::parse(ran.out) ==
        Json{{"matched", 1500}, {"cancelled", 1500}, {"skipped", 0}, {"next_cursor", "c2"}});
  REQUIRE(f.posted().size() == 2);
  CHECK(f.posted()[1]["limit"] == 500);
  f.server.answer("POST " + kOneWebhook + "/deliveries/cancel", page("cancelled", 3, "c"));
  CHECK(contains(f.run({"cancel", "one", "--since", "1h", "--limit", "3"}).err, "there are more"));
}

TEST_CASE("a dry run of many asks for nothing else, and says so") {
  ManyFixture f;
  for (const auto& [command, path, changed] :
       {std::tuple{"retry", "/deliveries/retry", "retried"},
        std::tuple{"cancel", "/deliveries/cancel", "cancelled"},
        std::tuple{"replay", "/replay", "created"}}) {
    f.server.answer("POST " + kOneWebhook + path, page(changed, 5, nullptr, 1));
    const Ran ran = f.run({command, "one", "--since", "2h", "--dry-run"});
    CHECK(ran.exit == 0);
    CHECK(ran.out == std::string("field\tvalue\nmatched\t5\nwould be ") + changed +
                         "\t4\nwould be skipped\t1\n");
    CHECK(contains(ran.err, "nothing was changed"));
    const Ran json = f.run({command, "one", "--since", "2h", "--dry-run", "-o", "json"});
    CHECK(Json::parse(json.out) == Json{{"matched", 5},
                                        {changed, 4},
                                        {"skipped", 1},
                                        {"next_cursor", nullptr},
                                        {"dry_run", true}});
  }
  for (const Json& body : f.posted()) {
    CHECK(body["dry_run"] == true);
    CHECK_FALSE(body.contains("replay_id"));
  }
}

TEST_CASE("replay makes an id and says how to go on, with times that stand still") {
  ManyFixture f;
  f.server.answer("POST " + kOneWebhook + "/replay", page("created", 5));
  const Ran ran = f.run({"replay", "one", "--since", "2h", "--until", "2026-11-23T10:00:00+01:00",
                         "--event", "user.created", "--missed-only"});
  CHECK(ran.exit == 0);
  CHECK(ran.out == "field\tvalue\nmatched\t5\ncreated\t5\nskipped\t0\n");
  const Json body = f.posted().at(0);
  const std::string id = body["replay_id"];
  CHECK(id.starts_with("replay_"));
  CHECK(body["until"] == "2026-11-23T09:00:00.000Z");
  CHECK(body["missed_only"] == true);
  CHECK(body["event_type"] == "user.created");
  // On a line of its own, to be copied.
  CHECK(contains(ran.err, "go on with\n  webhookctl replay one --since " +
                              body["since"].get<std::string>() +
                              " --until 2026-11-23T09:00:00.000Z --event user.created"
                              " --missed-only --replay-id " +
                              id));
  f.run({"replay", "one", "--since", "2h", "--replay-id", "mine"});
  CHECK(f.posted().back()["replay_id"] == "mine");
}

TEST_CASE("what breaks off is partly done, and says how to go on") {
  ManyFixture f;
  const Canned trouble{503, R"({"detail":"The store has no space left"})", {}};
  f.server.answer_in_turn("POST " + kOneWebhook + "/replay",
                          {page("created", 1000, "c1"), trouble});
  const Ran partly = f.run({"replay", "one", "--since", "2h", "--replay-id", "mine"});
  CHECK(partly.exit == 9);
  CHECK(contains(partly.out, "created\t1000\n"));
  CHECK(contains(partly.err, "The store has no space left; 1000 are created"));
  CHECK(contains(partly.err, "--replay-id mine` goes on"));
  CHECK_FALSE(contains(partly.err, "--limit"));
  f.server.answer("POST " + kOneWebhook + "/deliveries/retry", trouble);
  const Ran none = f.run({"retry", "one", "--status", "failed"});
  CHECK(none.exit == 1);
  CHECK(none.out.empty());
}

TEST_CASE("some that are skipped are not partly done") {
  ManyFixture f;
  f.server.answer("POST " + kOneWebhook + "/deliveries/retry", page("retried", 3, nullptr, 3));
  CHECK(f.run({"retry", "one", "--status", "succeeded"}).exit == 0);
}

TEST_CASE("more than a page is asked about on a terminal, and nowhere else") {
  ManyFixture f;
  const std::string path = "POST " + kOneWebhook + "/deliveries/retry";
  const std::vector<std::string> command{"retry", "one", "--status", "failed"};
  Circumstances terminal;
  terminal.streams = Streams::all_terminal;
  terminal.input = "n\n";
  f.server.answer_in_turn(path, {page("retried", 4211), page("retried", 1000)});
  const Ran refused = f.run(command, terminal);
  CHECK(refused.exit == 2);
  CHECK(contains(refused.out, "Retry 4211 deliveries? [y/N]"));
  REQUIRE(f.posted().size() == 1);
  CHECK(f.posted()[0]["dry_run"] == true);

  terminal.input = "y\n";
  f.server.answer_in_turn(path, {page("retried", 4211), page("retried", 1000)});
  CHECK(f.run(command, terminal).exit == 0);
  REQUIRE(f.posted().size() == 3);
  CHECK_FALSE(f.posted()[2].contains("dry_run"));

  // A page at most, -y, or no terminal: no question, and so no counting before.
  f.server.answer(path, page("retried", 1000));
  const auto asks_once = [&](std::vector<std::string> more, const Circumstances& where) {
    std::vector<std::string> all = command;
    all.insert(all.end(), more.begin(), more.end());
    const std::size_t before = f.posted().size();
    return f.run(all, where).exit == 0 && f.posted().size() == before + 1;
  };
  CHECK(asks_once({"-y"}, terminal));
  CHECK(asks_once({"--limit", "1000"}, terminal));
  CHECK(asks_once({}, {}));
}

TEST_CASE("a disabled webhook's replay is rejected with the way out") {
  ManyFixture f;
  f.server.answer(
      "POST " + kOneWebhook + "/replay",
      {409, R"({"detail":"The webhook is disabled: set its status to active first"})", {}});
  const Ran ran = f.run({"replay", "one", "--since", "2h"});
  CHECK(ran.exit == 6);
  CHECK(contains(ran.err, "webhookctl resume"));
}

TEST_CASE("cancel and replay without what they need are usage errors, and nothing is sent") {
  ManyFixture f;
  CHECK(f.run({"cancel", "one"}).exit == 2);
  CHECK(f.run({"cancel", "one", "4711", "--since", "1h"}).exit == 2);
  CHECK(f.run({"cancel", "one", "4711", "--dry-run"}).exit == 2);
  CHECK(f.run({"replay", "one"}).exit == 2);
  CHECK(f.run({"replay", "one", "--since", "yesterday"}).exit == 2);
  CHECK(f.run({"replay", "one", "--since", "1h", "--limit", "0"}).exit == 2);
  CHECK(f.server.seen().empty());
}
