#include "shared/paths.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

using namespace webhookd;

namespace {

// Sets or unsets a variable and puts the old value back.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    put(value);
  }
  ~Variable() { put(old_ ? old_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void put(const char* value) {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

}  // namespace

TEST_CASE("a user's paths follow the XDG variables") {
  const Variable runtime("XDG_RUNTIME_DIR", "/run/user/7");
  const Variable state("XDG_STATE_HOME", "/state");
  const Variable config("XDG_CONFIG_HOME", "/config");
  CHECK(user_socket() == "/run/user/7/webhookd/webhookd.sock");
  CHECK(user_state_dir() == "/state/webhookd");
  CHECK(user_cli_config() == "/config/webhookctl/config.toml");
}

TEST_CASE("without XDG variables, or with relative ones, a user's paths are below the home") {
  const char* value = GENERATE(static_cast<const char*>(nullptr), "", "relative");
  const Variable home("HOME", "/home/ada");
  const Variable runtime("XDG_RUNTIME_DIR", value);
  const Variable state("XDG_STATE_HOME", value);
  const Variable config("XDG_CONFIG_HOME", value);
  CHECK(user_socket() == "/home/ada/.local/state/webhookd/webhookd.sock");
  CHECK(user_state_dir() == "/home/ada/.local/state/webhookd");
  CHECK(user_cli_config() == "/home/ada/.config/webhookctl/config.toml");
}

TEST_CASE("without any variable there is no user's path") {
  const Variable home("HOME", nullptr);
  const Variable runtime("XDG_RUNTIME_DIR", nullptr);
  const Variable state("XDG_STATE_HOME", nullptr);
  const Variable config("XDG_CONFIG_HOME", nullptr);
  CHECK_THROWS_AS(user_socket(), std::runtime_error);
  CHECK_THROWS_AS(user_state_dir(), std::runtime_error);
  CHECK_THROWS_AS(user_cli_config(), std::runtime_error);
}
