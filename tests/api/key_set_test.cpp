#include "api/key_set.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "api/api_fixture.h"
#include "shared/encoding.h"

namespace webhookd {
namespace {

using namespace std::chrono_literals;

Json key_named(const std::string& kid) {
  return {{"kty", "oct"}, {"kid", kid}, {"k", base64url_encode(std::string(32, 'x'))}};
}

// A key set on disk and the hands on its clock.
struct KeyFile {
  TemporaryFolder folder;
  std::filesystem::path path = folder / "jwks.json";
  Monotonic now{1h};

  explicit KeyFile(const std::string& kid = "one") { write(kid); }

  void write_text(const std::string& text) const { std::ofstream(path, std::ios::trunc) << text; }
  void write(const std::string& kid) const {
    write_text(Json{{"keys", Json::array({key_named(kid)})}}.dump());
  }
  // The kids that are in force after `passed`, for a token that names `asked`.
  std::vector<std::string> kids_after(KeySet& set, std::chrono::milliseconds passed,
                                      const std::string& asked) {
    now += passed;
    std::vector<std::string> kids;
    for (const VerificationKey& key : *set.keys_for(asked, now)) kids.push_back(*key.kid());
    return kids;
  }
};

using Kids = std::vector<std::string>;

// While it lives no file can be opened.
class NoMoreFiles {
 public:
  NoMoreFiles() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  NoMoreFiles(const NoMoreFiles&) = delete;
  NoMoreFiles& operator=(const NoMoreFiles&) = delete;
  ~NoMoreFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("a key set is read again within two seconds of its change") {
  KeyFile file;
  KeySet set(file.path, file.now);
  file.write("two");
  CHECK(file.kids_after(set, 1999ms, "one") == Kids{"one"});
  CHECK(file.kids_after(set, 1ms, "one") == Kids{"two"});
}

TEST_CASE("a kid that is not known has the file looked at earlier, but not at every token") {
  KeyFile file;
  KeySet set(file.path, file.now);
  file.write("two");
  CHECK(file.kids_after(set, 199ms, "two") == Kids{"one"});
  CHECK(file.kids_after(set, 1ms, "two") == Kids{"two"});
  file.write("three");
  CHECK(file.kids_after(set, 199ms, "three") == Kids{"two"});
  CHECK(file.kids_after(set, 1ms, "three") == Kids{"three"});
}

TEST_CASE("a key set that could not be read is tried again although it stays as it is") {
  KeyFile file;
  KeySet set(file.path, file.now);
  file.write("two");
  Kids during;
  {
    const NoMoreFiles none;
    during = file.kids_after(set, 2s, "one");
  }
  CHECK(during == Kids{"one"});
  CHECK(file.kids_after(set, 2s, "one") == Kids{"two"});
}

TEST_CASE("a key set of the same size and time is seen to be another file") {
  KeyFile file;
  KeySet set(file.path, file.now);
  const auto time = std::filesystem::last_write_time(file.path);
  const auto other = file.folder / "new.json";
  std::filesystem::copy_file(file.path, other);
  std::ofstream(other) << Json{{"keys", Json::array({key_named("two")})}}.dump();
  std::filesystem::last_write_time(other, time);
  std::filesystem::rename(other, file.path);
  CHECK(file.kids_after(set, 2s, "one") == Kids{"two"});
}

TEST_CASE("an emptied key set revokes every key, and what is no key set revokes none") {
  KeyFile file;
  KeySet set(file.path, file.now);
  for (const char* text : {"", "{", "[]", "{}", R"({"keys":1})"}) {
    INFO(text);
    file.write_text(text);
    CHECK(file.kids_after(set, 2s, "one") == Kids{"one"});
  }
  std::filesystem::remove(file.path);
  CHECK(file.kids_after(set, 2s, "one") == Kids{"one"});
  file.write_text(R"({"keys":[]})");
  CHECK(file.kids_after(set, 2s, "one").empty());
  file.write("two");
  CHECK(file.kids_after(set, 200ms, "two") == Kids{"two"});
  file.write_text(R"({"keys":[{"kty":"unknown"}]})");
  CHECK(file.kids_after(set, 2s, "two").empty());
}

TEST_CASE("a key set without a usable key is refused at the start, by its path") {
  KeyFile file;
  for (const char* text : {R"({"keys":[]})", R"({"keys":[{"kty":"RSA"}]})", "{"}) {
    INFO(text);
    file.write_text(text);
    CHECK_THROWS_WITH(KeySet(file.path, file.now), Catch::Contains(file.path.string()));
  }
}

}  // namespace webhookd
