#include "cli/settings.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "cli/profile.h"
#include "cli/program.h"

using namespace webhookd;
using webhookd::tests::Folder;

namespace {

struct Sources {
  GlobalFlags flags;
  std::map<std::string, std::string> variables;
  std::string config;
};

class SettingsFixture {
 public:
  Settings resolve(const Sources& sources) const {
    Surroundings surroundings;
    surroundings.variable = [&](std::string_view name) -> std::optional<std::string> {
      const auto found = sources.variables.find(std::string(name));
      if (found == sources.variables.end()) return std::nullopt;
      return found->second;
    };
    surroundings.system_socket = folder.path() / "system.sock";
    surroundings.user_socket = "/run/user/1/webhookd/webhookd.sock";
    if (!sources.config.empty()) {
      surroundings.config_file = folder.write("config.toml", sources.config);
    }
    return resolve_settings(sources.flags, surroundings);
  }

  Folder folder;
};

std::string place(const Settings& settings) {
  if (const auto* socket = std::get_if<SocketTarget>(&settings.connection.target)) {
    return socket->path.string();
  }
  return std::get<ServerTarget>(settings.connection.target).url;
}

constexpr const char* kProfile =
    "default_profile = \"p\"\n[profiles.p]\nserver = \"http://profile:1\"\noutput = \"wide\"\n"
    "timeout = \"7s\"\n";

}  // namespace

TEST_CASE("where to connect: flag before environment before profile before the socket") {
  const SettingsFixture fixture;
  Sources sources;
  CHECK(place(fixture.resolve(sources)) == "/run/user/1/webhookd/webhookd.sock");
  fixture.folder.write("system.sock", "");
  CHECK(place(fixture.resolve(sources)) == (fixture.folder.path() / "system.sock").string());
  sources.config = kProfile;
  CHECK(place(fixture.resolve(sources)) == "http://profile:1");
  sources.variables = {{"WEBHOOKCTL_SOCKET", "/env.sock"}};
  CHECK(place(fixture.resolve(sources)) == "/env.sock");
  sources.variables = {{"WEBHOOKCTL_SERVER", "http://env:2/"}};
  CHECK(place(fixture.resolve(sources)) == "http://env:2");
  sources.flags.socket = "/flag.sock";
  CHECK(place(fixture.resolve(sources)) == "/flag.sock");
  sources.flags.socket.reset();
  sources.flags.server = "http://flag:3";
  CHECK(place(fixture.resolve(sources)) == "http://flag:3");
}

TEST_CASE("a flag beats the profile without an environment between them") {
  const SettingsFixture fixture;
  Sources sources;
  sources.config = kProfile;
  sources.flags.server = "http://flag:3";
  sources.flags.output = "json";
  sources.flags.timeout = "2s";
  const Settings settings = fixture.resolve(sources);
  CHECK(place(settings) == "http://flag:3");
  CHECK(settings.format == Format::json);
  CHECK(settings.connection.timeout == std::chrono::seconds(2));
}

TEST_CASE("the output format: flag before environment before profile") {
  const SettingsFixture fixture;
  Sources sources;
  CHECK_FALSE(fixture.resolve(sources).format.has_value());
  sources.config = kProfile;
  CHECK(fixture.resolve(sources).format == Format::wide);
  sources.variables = {{"WEBHOOKCTL_OUTPUT", "jsonl"}};
  CHECK(fixture.resolve(sources).format == Format::jsonl);
  sources.flags.output = "tsv";
  CHECK(fixture.resolve(sources).format == Format::tsv);
}

TEST_CASE("the profile: flag before environment before the file's default") {
  const SettingsFixture fixture;
  Sources sources;
  sources.config = std::string(kProfile) +
                   "[profiles.q]\nserver = \"http://q:1\"\n[profiles.r]\nsocket = \"/r.sock\"\n";
  CHECK(place(fixture.resolve(sources)) == "http://profile:1");
  sources.variables = {{"WEBHOOKCTL_PROFILE", "q"}};
  CHECK(place(fixture.resolve(sources)) == "http://q:1");
  sources.flags.profile = "r";
  CHECK(place(fixture.resolve(sources)) == "/r.sock");
}

TEST_CASE("the token: file flag before variable before file variable before profile") {
  const SettingsFixture fixture;
  Sources sources;
  sources.config = std::string(kProfile) + "token_file = \"" +
                   fixture.folder.write("profile.token", "from-profile\n") + "\"\n";
  CHECK(fixture.resolve(sources).connection.token->value == "from-profile");
  sources.variables["WEBHOOKCTL_TOKEN_FILE"] = fixture.folder.write("env.token", "from-env-file");
  CHECK(fixture.resolve(sources).connection.token->value == "from-env-file");
  sources.variables["WEBHOOKCTL_TOKEN"] = "from-env";
  CHECK(fixture.resolve(sources).connection.token->value == "from-env");
  sources.flags.token_file = fixture.folder.write("flag.token", "from-flag\r\n");
  CHECK(fixture.resolve(sources).connection.token->value == "from-flag");
}

TEST_CASE("a profile's token goes to no other server than the profile's") {
  const SettingsFixture fixture;
  Sources sources;
  sources.config = std::string(kProfile) + "token_file = \"" +
                   fixture.folder.write("profile.token", "from-profile\n") + "\"\n";
  sources.flags.server = "http://elsewhere:1";
  CHECK_FALSE(fixture.resolve(sources).connection.token.has_value());
  sources.flags.server = "http://profile:1";
  CHECK(fixture.resolve(sources).connection.token.has_value());
}

TEST_CASE("contradictions and mistakes in the settings are usage errors") {
  const SettingsFixture fixture;
  const auto refused = [&fixture](const Sources& sources) {
    try {
      fixture.resolve(sources);
    } catch (const CliError& error) {
      return error.exit == Exit::usage;
    }
    return false;
  };
  Sources both;
  both.flags.server = "http://a:1";
  both.flags.socket = "/s";
  CHECK(refused(both));
  Sources both_variables;
  both_variables.variables = {{"WEBHOOKCTL_SERVER", "http://a:1"}, {"WEBHOOKCTL_SOCKET", "/s"}};
  CHECK(refused(both_variables));
  both_variables.flags.socket = "/flag.sock";
  CHECK_FALSE(refused(both_variables));
  for (const char* server :
       {"localhost:8420", "ftp://a", "http://u:p@a", "http://a/?x=1", "http://"}) {
    Sources sources;
    sources.flags.server = server;
    CAPTURE(server);
    CHECK(refused(sources));
  }
  for (const char* config : {"colour = 1\n", "default_profile = \"p\"\n[profiles.p]\nserver = 1\n",
                             "default_profile = 7\n", "default_profile = \"missing\"\n",
                             "default_profile = \"p\"\n[profiles.p]\nservr = \"http://a\"\n"}) {
    Sources sources;
    sources.config = config;
    CAPTURE(config);
    CHECK(refused(sources));
  }
  Sources token;
  token.variables = {{"WEBHOOKCTL_TOKEN", "two\nlines"}};
  CHECK(refused(token));
  Sources missing;
  missing.flags.token_file = "/nonexistent/token";
  CHECK(refused(missing));
  Sources format;
  format.flags.output = "yaml";
  CHECK(refused(format));
  Sources timeout;
  timeout.flags.timeout = "0s";
  CHECK(refused(timeout));
}

TEST_CASE("files that others may change, and tokens that they may read, are warned of") {
  using std::filesystem::perms;
  const SettingsFixture fixture;
  Sources sources;
  sources.config = kProfile;
  const std::string token = fixture.folder.write("t", "abc");
  sources.flags.token_file = token;
  const auto warnings = [&](perms of_config, perms of_token) {
    // The file is written once here, since resolve() keeps the mode that it has.
    std::filesystem::permissions(fixture.folder.write("config.toml", kProfile), of_config);
    std::filesystem::permissions(token, of_token);
    return fixture.resolve(sources).warnings;
  };
  const auto own = perms::owner_read | perms::owner_write;
  CHECK(warnings(own | perms::group_read | perms::others_read, own | perms::group_read).empty());
  const auto of_config = warnings(own | perms::group_write, own);
  REQUIRE(of_config.size() == 1);
  CHECK(of_config[0].sentence.ends_with("config.toml can be changed by others"));
  const auto of_token = warnings(own, own | perms::others_read);
  REQUIRE(of_token.size() == 1);
  CHECK(of_token[0].sentence == token + " can be read by others");
  CHECK(of_token[0].hint == "chmod 600 " + token);
}

TEST_CASE("a broken configuration does not matter where the server is named") {
  const SettingsFixture fixture;
  Sources sources;
  sources.config = "default_profile = 7\n";
  sources.flags.server = "http://flag:3";
  const Settings settings = fixture.resolve(sources);
  CHECK(place(settings) == "http://flag:3");
  CHECK(settings.warnings.size() == 1);
  sources.flags.profile = "p";
  CHECK_THROWS_AS(fixture.resolve(sources), CliError);
}

TEST_CASE("the version needs no configuration that can be read") {
  const Folder folder;
  folder.write(".config/webhookctl/config.toml", "broken");
  tests::Circumstances home;
  home.environment["HOME"] = folder.path().string();
  CHECK(tests::run_program({"version"}, home).exit == 0);
  CHECK(tests::run_program({"list"}, home).exit == 2);
}

TEST_CASE("a misspelt key in the configuration names the one that was meant") {
  const Folder folder;
  const std::string file = folder.write("c.toml", "[profiles.p]\nservr = \"http://a\"\n");
  try {
    load_profile(file, "p");
    FAIL("accepted");
  } catch (const CliError& error) {
    CHECK(error.hint == "did you mean server?");
  }
}
