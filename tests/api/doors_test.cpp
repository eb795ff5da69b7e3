// Both doors together, as main starts and stops them.

#include "api/api.h"

#include <catch2/catch.hpp>

#include "api/api_fixture.h"

namespace webhookd {
namespace {

using Catch::Matchers::Contains;

void check_refused(const ApiOptions& options, const std::string& words) {
  INFO(words);
  CHECK_THROWS_WITH(check_options(options), Contains(words));
}

}  // namespace

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
