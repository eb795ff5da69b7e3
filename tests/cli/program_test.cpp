// The program as a whole: its command line, its streams and its exit codes.

#include "cli/program.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/stub_server.h"
#include "shared/version.h"

using namespace webhookd::tests;

TEST_CASE("a command line that cannot be understood exits 2 with a hint") {
  const Ran option = run_program({"get", "--bogus", "x"});
  CHECK(option.exit == 2);
  CHECK(option.err.starts_with("error: "));
  CHECK(contains(option.err, "hint: webhookctl get --help\n"));
  CHECK(option.out.empty());
  CHECK(run_program({"get"}).exit == 2);
  CHECK(run_program({}).exit == 2);
  CHECK(run_program({"token"}).exit == 2);
  CHECK(run_program({"list", "extra"}).exit == 2);
  CHECK(run_program({"list", "--timeout", "soon"}).exit == 2);
  CHECK(run_program({"list", "--color", "pink"}).exit == 2);
}

TEST_CASE("a misspelt command names the one that was meant") {
  const Ran ran = run_program({"--no-header", "delivries"});
  CHECK(ran.exit == 2);
  CHECK(ran.err ==
        "error: there is no command delivries\nhint: did you mean `webhookctl deliveries`?\n");
}

TEST_CASE("errors are JSON where JSON was asked for, also those of the command line") {
  const Ran usage = run_program({"get", "-o", "json"});
  CHECK(Json::parse(usage.err)["error"]["exit_code"] == 2);
  Circumstances environment;
  environment.environment["WEBHOOKCTL_OUTPUT"] = "json";
  const Ran lost = run_program({"--socket", "/nonexistent", "list"}, environment);
  CHECK(lost.exit == 5);
  CHECK(Json::parse(lost.err)["error"]["code"] == "unreachable");
  StubServer server;
  server.answer("GET /api/v1/admin/webhooks/",
                {422,
                 R"({"detail":[{"loc":["query","page"],"msg":"Too small"}]})",
                 {{"X-Request-ID", "req-7"}}});
  const Ran rejected = run_program({"--server", server.url(), "list", "-o", "json"});
  const Json error = Json::parse(rejected.err)["error"];
  CHECK(rejected.exit == 6);
  CHECK(error["request_id"] == "req-7");
  CHECK(contains(error["message"].get<std::string>(), "query.page: Too small"));
}

TEST_CASE("every command has a help with an example") {
  for (const char* command :
       {"create",  "list",          "get",    "update", "delete",  "pause",      "resume",
        "disable", "rotate-secret", "events", "test",   "publish", "deliveries", "delivery",
        "retry",   "cancel",        "stats",  "status", "token",   "version"}) {
    CAPTURE(command);
    const Ran ran = run_program({command, "--help"});
    CHECK(ran.exit == 0);
    CHECK(contains(ran.out, "Examples:\n  webhookctl " + std::string(command)));
    CHECK(ran.err.empty());
  }
  CHECK(run_program({"events", "add", "-h"}).exit == 0);
}

TEST_CASE("the version needs no server") {
  Circumstances nowhere;
  nowhere.environment["WEBHOOKCTL_SOCKET"] = "/nonexistent";
  const std::string version(webhookd::kVersion);
  CHECK(run_program({"--version"}).out == "webhookctl " + version + "\n");
  CHECK(run_program({"version", "--no-header"}, nowhere).out == "client\t" + version + "\n");
  const Ran both = run_program({"version", "--server-version", "-o", "json"}, nowhere);
  CHECK(both.exit == 0);
  CHECK(Json::parse(both.out) == Json({{"client", version}, {"server", nullptr}}));
  StubServer server;
  server.answer("GET /api/v1/version", {200, "{}", {{"webhookd-version", "9.9"}}});
  CHECK(contains(run_program({"--server", server.url(), "version", "--server-version"}).out,
                 "server\t9.9\n"));
}

TEST_CASE("global options stand before and after the command") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  CHECK(run_program({"-o", "jsonl", "--server", server.url(), "list"}).out ==
        run_program({"list", "--server", server.url(), "--output=jsonl"}).out);
}

TEST_CASE("no daemon is 5 and says how to start one; a timeout is 8") {
  const Ran ran = run_program({"--socket", "/nonexistent/w.sock", "list"});
  CHECK(ran.exit == 5);
  CHECK(contains(ran.err, "/nonexistent/w.sock"));
  CHECK(contains(ran.err, "systemctl start webhookd"));
  CHECK(run_program({"--server", "http://127.0.0.1:1", "list"}).exit == 5);
}

TEST_CASE("each refusal of the server has its exit code") {
  StubServer server;
  const std::pair<int, int> table[] = {{401, 4}, {403, 4}, {404, 3}, {400, 6},
                                       {409, 6}, {429, 1}, {500, 1}, {503, 1}};
  for (const auto& [status, exit] : table) {
    CAPTURE(status);
    server.answer("GET /api/v1/admin/webhooks/", {status, R"({"detail":"The sentence"})", {}});
    const Ran ran = run_program({"--server", server.url(), "list"});
    CHECK(ran.exit == exit);
    CHECK(contains(ran.err, "error: The sentence\n"));
    CHECK(ran.out.empty());
  }
}

TEST_CASE("the token comes from a file, stdin or the environment, and is never shown") {
  StubServer server;
  const Folder folder;
  const std::string token = "very.secret.token";
  const std::vector<std::string> words = {"--server", server.url(), "list", "--debug", "-v"};
  std::vector<std::string> by_file = words;
  by_file.insert(by_file.end(), {"--token-file", folder.write("t", token + "\n")});
  std::vector<std::string> by_stdin = words;
  by_stdin.insert(by_stdin.end(), {"--token-file", "-"});
  Circumstances piped;
  piped.input = token + "\n";
  Circumstances variable;
  variable.environment["WEBHOOKCTL_TOKEN"] = token;
  for (const Ran& ran :
       {run_program(by_file), run_program(by_stdin, piped), run_program(words, variable)}) {
    CHECK(ran.exit == 0);
    CHECK(server.seen().back().headers.at("authorization") == "Bearer " + token);
    CHECK(contains(ran.err, "> GET http"));
    CHECK_FALSE(contains(ran.err + ran.out, token));
  }
}

TEST_CASE("--debug masks secrets in both directions") {
  StubServer server;
  const Folder folder;
  const Ran ran = run_program({"--server", server.url(), "--debug", "create", "http://a.example",
                               "--event", "*", "--header", "X-Pass: hunter2", "--secret-file",
                               folder.write("s", "my-own-signing-secret")});
  CHECK(ran.exit == 0);
  CHECK(contains(ran.err, "http://a.example"));
  CHECK_FALSE(contains(ran.err, "hunter2"));
  CHECK_FALSE(contains(ran.err, "my-own-signing-secret"));
  CHECK_FALSE(contains(ran.err, "whsec_"));
}

TEST_CASE("no proxy of the environment is used") {
  StubServer server;
  Circumstances proxy;
  proxy.environment["http_proxy"] = "http://127.0.0.1:1";
  proxy.environment["ALL_PROXY"] = "http://127.0.0.1:1";
  CHECK(run_program({"--server", server.url(), "list"}, proxy).exit == 0);
}

TEST_CASE("a terminal gets a table, colour and relative times; a pipe gets none of these") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"},
                      {"name", "one\x1b]0;owned\x07"},
                      {"status", "disabled"},
                      {"created_at", "2020-01-01T00:00:00.000Z"}});
  Circumstances terminal;
  terminal.streams = Streams::terminal_out;
  const std::vector<std::string> words = {"--server", server.url(), "list"};
  const Ran shown = run_program(words, terminal);
  CHECK(contains(shown.out, "\x1b[31mdisabled\x1b[0m"));
  CHECK(contains(shown.out, "STATUS"));
  CHECK_FALSE(contains(shown.out, "\x1b]0;"));
  const Ran piped = run_program(words);
  CHECK_FALSE(contains(piped.out, "\x1b"));
  CHECK(contains(piped.out, "\tdisabled\t"));
  CHECK(contains(piped.out, "2020-01-01T00:00:00.000Z"));
  const Ran card = run_program({"--server", server.url(), "get", "wh-1"}, terminal);
  CHECK(contains(card.out, " d ago"));
}

TEST_CASE("NO_COLOR, TERM=dumb and --color decide about colour") {
  StubServer server;
  server.add_webhook({{"id", "wh-1"}, {"status", "disabled"}});
  const auto coloured = [&server](const std::map<std::string, std::string>& environment,
                                  Streams streams, std::vector<std::string> words) {
    words.insert(words.end(), {"--server", server.url(), "list"});
    return contains(run_program(words, {environment, "", streams}).out, "\x1b[");
  };
  CHECK(coloured({}, Streams::terminal_out, {}));
  CHECK_FALSE(coloured({{"NO_COLOR", "1"}}, Streams::terminal_out, {}));
  CHECK(coloured({{"NO_COLOR", ""}}, Streams::terminal_out, {}));
  CHECK_FALSE(coloured({{"TERM", "dumb"}}, Streams::terminal_out, {}));
  CHECK_FALSE(coloured({}, Streams::terminal_out, {"--color", "never"}));
  CHECK(coloured({{"NO_COLOR", "1"}}, Streams::pipes, {"--color", "always", "-o", "table"}));
  CHECK_FALSE(coloured({}, Streams::pipes, {"-o", "table"}));
}

TEST_CASE("a terminal's width is kept to, and JSON on it holds no control characters") {
  StubServer server;
  server.add_webhook({{"id", "whk_0123456789abcdef"},
                      {"name", std::string(60, 'n')},
                      {"url", "https://" + std::string(90, 'u') + "\u202e"}});
  Circumstances terminal;
  terminal.streams = Streams::terminal_out;
  terminal.environment["NO_COLOR"] = "1";
  const Ran table = run_program({"--server", server.url(), "list"}, terminal);
  CHECK(contains(table.out, "…"));
  CHECK(table.out.find('\n') <= 80);
  CHECK(contains(table.out, "whk_0123456789abcdef"));
  CHECK(contains(run_program({"--server", server.url(), "list", "-o", "wide"}, terminal).out,
                 std::string(90, 'u')));
  const Ran json = run_program({"--server", server.url(), "list", "-o", "json"}, terminal);
  CHECK_FALSE(contains(json.out, "\u202e"));
  CHECK(contains(json.out, "\\u202e"));
  CHECK(contains(run_program({"--server", server.url(), "list", "-o", "json"}).out, "\u202e"));
}

TEST_CASE("an error's text from outside holds no control characters either") {
  StubServer server;
  server.answer("GET /api/v1/admin/webhooks/", {409, "{\"detail\":\"a\\u001b[2Jb\"}", {}});
  const Ran ran = run_program({"--server", server.url(), "list"});
  CHECK(contains(ran.err, "error: a\\x1b[2Jb\n"));
}

TEST_CASE("an interrupt exits 130") {
  StubServer server;
  server.answer("POST /api/v1/events", {202, R"({"event_id":"e1","deliveries":1})", {}});
  server.answer("GET /api/v1/admin/events/e1",
                {200, R"({"deliveries":[{"status":"pending"}]})", {}});
  Circumstances waiting;
  waiting.interrupt_when = [&server] { return server.seen().size() >= 2; };
  CHECK(run_program({"--server", server.url(), "publish", "a.b", "--data", "{}", "--id", "e1",
                     "--wait", "60s"},
                    waiting)
            .exit == 130);
}

TEST_CASE("a reader that is gone ends the program quietly") {
  StubServer server;
  // More than a pipe holds, so that writing it must fail.
  server.answer("GET /api/v1/admin/webhooks/whk_0123456789abcdef",
                {200, Json({{"name", std::string(1'000'000, 'x')}}).dump(), {}});
  Circumstances closed;
  closed.streams = Streams::closed_out;
  const Ran ran = run_program({"--server", server.url(), "get", "whk_0123456789abcdef"}, closed);
  CHECK(ran.exit == 0);
  CHECK(ran.err.empty());
}

TEST_CASE("over the socket all goes as over TCP") {
  const Folder folder;
  const auto path = folder.path() / "w.sock";
  StubServer server(Shape::bare_array, path);
  server.add_webhook({{"id", "wh-1"}, {"name", "one"}});
  Circumstances environment;
  environment.environment["WEBHOOKCTL_SOCKET"] = path.string();
  CHECK(contains(run_program({"list"}, environment).out, "wh-1\tone"));
}
