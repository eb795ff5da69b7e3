// Both doors together, as main starts and stops them.

#include <catch2/catch.hpp>

#include "api/api.h"
#include "api/api_fixture.h"
#include "api/server_fixture.h"

namespace webhookd {
namespace {

using Catch::Matchers::Contains;

ApiOptions both_doors(const ApiFixture& api) {
  ApiOptions options;
  options.socket = api.folder / "d.sock";
  options.listen = "127.0.0.1:0";
  options.token_key = api.folder / "token.key";
  return options;
}

// Somebody else's, listening on a port of loopback.
std::unique_ptr<Server> taken_port() { return serve(echo); }

std::string host_and_port(const Server& server) {
  return server.address().substr(std::string("http://").size());
}

void check_refused(const ApiOptions& options, const std::string& words) {
  INFO(words);
  CHECK_THROWS_WITH(check_options(options), Contains(words));
}

}  // namespace

TEST_CASE("a daemon that stops is not ready any more, and alive until its end") {
  ApiFixture api;
  REQUIRE(api.send("GET", "/readyz").status == 200);
  api.handler->begin_stop();
  const Reply reply = api.send("GET", "/readyz");
  CHECK(reply.status == 503);
  CHECK(reply.detail() == "The daemon is stopping");
  CHECK(api.send("GET", "/healthz").status == 200);
}

TEST_CASE("a taken TCP address ends the start, and no socket stays behind") {
  ApiFixture api;
  ApiOptions options = both_doors(api);
  const auto other = taken_port();
  options.listen = host_and_port(*other);
  CHECK_THROWS_WITH(start_api(options, *api.store, api.dispatcher, api.clock, api.random),
                    Contains(*options.listen));
  CHECK_FALSE(std::filesystem::exists(*options.socket));
}

TEST_CASE("what cannot be listened on is known before anything is made") {
  const TemporaryFolder folder;
  ApiOptions options;
  options.token_key = folder / "token.key";
  options.socket = folder / "d.sock";
  CHECK_NOTHROW(check_options(options));
  for (const char* listen :
       {"foo", "", "127.0.0.1:99999", "127.0.0.1:", ":80", "nowhere.invalid:80"}) {
    options.listen = listen;
    INFO(listen);
    check_refused(options, "listen");
  }
  options.listen = "0.0.0.0:1";
  check_refused(options, "--allow-plaintext");
  options.allow_plaintext = true;
  CHECK_NOTHROW(check_options(options));
  options.admin_group = "no-such-group";
  check_refused(options, "no-such-group");
  options.admin_group.clear();
  options.jwks_file = folder / "absent.json";
  check_refused(options, "absent.json");
  options.jwks_file.reset();
  options.socket = folder / std::string(108, 's');
  check_refused(options, "at most 107 bytes");
  CHECK(std::filesystem::is_empty(options.token_key.parent_path()));
}

}  // namespace webhookd
