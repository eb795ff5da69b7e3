#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "shared/random.h"
#include "store/sqlite/connection.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

using Catch::Contains;

unsigned mode_of(const std::filesystem::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

void make_store_in(const std::filesystem::path& directory) {
  SystemRandom random;
  const auto store = open_sqlite_store(options_for(directory), random, kStart);
  store->create_webhook({webhook_id(1), settings_for("a"), Secret{kSecretText}},
                        {kStart, "test", "unix", "r"});
}

TEST_CASE("the directory is 0700 and every file in it 0600, whatever the umask") {
  ScratchDirectory directory;
  const mode_t umask_before = ::umask(0);
  SystemRandom random;
  const auto store = open_sqlite_store(options_for(directory.path()), random, kStart);
  const NewEvent event = event_of("e");
  store->publish(std::span(&event, 1), kStart);
  ::umask(umask_before);
  CHECK(mode_of(directory.path() / "state") == 0700);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path() / "state")) {
    CAPTURE(entry.path().string());
    CHECK(mode_of(entry.path()) == 0600);
    ++files;
  }
  CHECK(files == 5);  // database, its log and index, key, lock
}

TEST_CASE("a directory that was open to others is closed to them") {
  ScratchDirectory directory;
  std::filesystem::create_directory(directory.path() / "state");
  ::chmod((directory.path() / "state").c_str(), 0755);
  make_store_in(directory.path());
  CHECK(mode_of(directory.path() / "state") == 0700);
}

TEST_CASE("a directory that its owner may not write is refused and keeps its mode") {
  ScratchDirectory directory;
  const auto state = directory.path() / "state";
  std::filesystem::create_directory(state);
  for (const mode_t mode : {0555U, 0500U, 0677U, 0300U}) {
    ::chmod(state.c_str(), mode);
    const std::string refusal = refusal_of(directory.path());
    CHECK_THAT(refusal, Contains(state.string()) && Contains("--state-dir"));
    CHECK(mode_of(state) == mode);
    ::chmod(state.c_str(), 0700);
    CHECK(std::filesystem::is_empty(state));
  }
}

TEST_CASE("a new database can give pages back that it does not need any more") {
  ScratchDirectory directory;
  make_store_in(directory.path());
  Connection db(directory.path() / "state/webhookd.db", Connection::Role::reader);
  Query row = db.query("PRAGMA auto_vacuum");
  row.step();
  CHECK(row.integer(0) == 2);  // incremental
}

TEST_CASE("a second daemon is refused with the first one's pid, and may come after it") {
  ScratchDirectory directory;
  SystemRandom random;
  auto store = open_sqlite_store(options_for(directory.path()), random, kStart);
  const std::string refusal = refusal_of(directory.path());
  CHECK_THAT(refusal, Contains("pid " + std::to_string(::getpid())));
  CHECK_THAT(refusal, Contains("--state-dir"));
  store.reset();
  CHECK(refusal_of(directory.path()).empty());
}

TEST_CASE("the lock holds this daemon's pid and no rest of a longer one") {
  ScratchDirectory directory;
  std::filesystem::create_directory(directory.path() / "state");
  std::ofstream(directory.path() / "state/webhookd.lock") << "12345678901\n";
  make_store_in(directory.path());
  std::ifstream lock(directory.path() / "state/webhookd.lock");
  const std::string held(std::istreambuf_iterator<char>(lock), {});
  CHECK(held == std::to_string(::getpid()) + "\n");
}

TEST_CASE("a state directory that is a file is refused by name") {
  ScratchDirectory directory;
  std::ofstream(directory.path() / "state") << "x";
  const std::string refusal = refusal_of(directory.path());
  CHECK_THAT(refusal, Contains((directory.path() / "state").string()));
  CHECK_THAT(refusal, Contains("Not a directory"));
}

TEST_CASE("a state directory that may not be written is refused with what to do") {
  ScratchDirectory directory;
  std::filesystem::create_directory(directory.path() / "state");
  ::chmod(directory.path().c_str(), 0755);
  ::chmod((directory.path() / "state").c_str(), 0500);
  // Root may write everywhere: this thread's file accesses become somebody else's.
  const bool is_root = ::geteuid() == 0;
  if (is_root) ::setfsuid(65534);
  const std::string refusal = refusal_of(directory.path());
  if (is_root) ::setfsuid(0);
  CHECK_THAT(refusal, Contains((directory.path() / "state").string()));
  CHECK_THAT(refusal, Contains("--state-dir"));
}

TEST_CASE("a database with a newer schema is refused and left as it is") {
  ScratchDirectory directory;
  make_store_in(directory.path());
  {
    Connection db(directory.path() / "state/webhookd.db", Connection::Role::writer);
    db.script("PRAGMA user_version = 999");
  }
  CHECK_THAT(refusal_of(directory.path()), Contains("schema 999"));
  Connection db(directory.path() / "state/webhookd.db", Connection::Role::writer);
  Query row = db.query("PRAGMA user_version");
  row.step();
  CHECK(row.integer(0) == 999);
}

TEST_CASE("a file that is no database is refused by name") {
  ScratchDirectory directory;
  std::filesystem::create_directory(directory.path() / "state");
  std::ofstream(directory.path() / "state/webhookd.db") << std::string(8192, 'x');
  CHECK_THAT(refusal_of(directory.path()), Contains("webhookd.db"));
}

TEST_CASE("a missing key is never replaced by a new one once secrets are sealed") {
  ScratchDirectory directory;
  make_store_in(directory.path());
  std::filesystem::remove(directory.path() / "state/secret.key");
  CHECK_THAT(refusal_of(directory.path()), Contains("secret.key") && Contains("missing"));
  CHECK_FALSE(std::filesystem::exists(directory.path() / "state/secret.key"));
}

TEST_CASE("a key file that is damaged, foreign or open to others is refused with a sentence") {
  ScratchDirectory directory;
  make_store_in(directory.path());
  const auto key = directory.path() / "state/secret.key";
  const auto write_key = [&](const std::string& bytes) {
    std::ofstream(key, std::ios::binary | std::ios::trunc) << bytes;
  };
  write_key("short");
  CHECK_THAT(refusal_of(directory.path()), Contains("damaged"));
  write_key(std::string(33, 'k'));
  CHECK_THAT(refusal_of(directory.path()), Contains("damaged"));
  write_key(std::string(32, 'k'));
  CHECK_THAT(refusal_of(directory.path()), Contains("is not the key"));
  ::chmod(key.c_str(), 0644);
  CHECK_THAT(refusal_of(directory.path()), Contains("chmod 600"));
}

TEST_CASE("no secret and no header value is readable in the database's files") {
  ScratchDirectory directory;
  SystemRandom random;
  const auto state = directory.path() / "state";
  const std::string header_value = "header-value-9f31c0";
  {
    const auto store = open_sqlite_store(options_for(directory.path()), random, kStart);
    WebhookSettings settings = settings_for("a");
    settings.headers = {{"X-Team", header_value}};
    const ChangeContext context{kStart, "test", "unix", "r"};
    store->create_webhook({webhook_id(1), settings, Secret{kSecretText}}, context);
    store->update_webhook(
        webhook_id(1), [](WebhookSettings& s) { s.description = "changed"; }, context);
    store->rotate_secret(webhook_id(1), Secret{kOtherSecretText}, std::chrono::seconds{60},
                         context);
    const std::string open_bytes = database_bytes(state);
    CHECK(open_bytes.find(settings.url) != std::string::npos);
    for (const std::string& secret :
         {std::string(kSecretText), std::string(kOtherSecretText), header_value}) {
      CHECK(open_bytes.find(secret.substr(6)) == std::string::npos);
    }
  }
  const std::string closed_bytes = database_bytes(state);
  CHECK(closed_bytes.find(std::string(kSecretText).substr(6)) == std::string::npos);
  CHECK(closed_bytes.find(header_value) == std::string::npos);
}

}  // namespace
}  // namespace webhookd::test
