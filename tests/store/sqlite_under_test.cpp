#include "store/sqlite_under_test.h"

#include <stdlib.h>

#include <fstream>
#include <iterator>

#include "shared/random.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

class SqliteUnderTest final : public StoreUnderTest {
 public:
  explicit SqliteUnderTest(std::vector<std::chrono::seconds> default_schedule)
      : options_(options_for(directory_.path())) {
    options_.default_schedule = std::move(default_schedule);
    restart(kStart);
  }

  Store& store() override { return *store_; }
  void restart(Timestamp now) override {
    store_.reset();
    store_ = open_sqlite_store(options_, random_, now);
  }

 private:
  ScratchDirectory directory_;
  SqliteOptions options_;
  SystemRandom random_;
  std::unique_ptr<Store> store_;
};

}  // namespace

ScratchDirectory::ScratchDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "webhookd-store-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch directory");
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

SqliteOptions options_for(const std::filesystem::path& directory) {
  SqliteOptions options;
  options.state_dir = directory / "state";
  options.default_schedule = {std::chrono::seconds{5}, std::chrono::seconds{300}};
  return options;
}

std::string refusal_of(const std::filesystem::path& directory) {
  SystemRandom random;
  try {
    open_sqlite_store(options_for(directory), random, kStart);
  } catch (const StoreError& error) {
    return error.what();
  }
  return "";
}

std::string database_bytes(const std::filesystem::path& directory) {
  std::string bytes;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().rfind("webhookd.db", 0) != 0) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    bytes.append(std::istreambuf_iterator<char>(file), {});
  }
  return bytes;
}

std::unique_ptr<StoreUnderTest> make_store(std::vector<std::chrono::seconds> default_schedule) {
  return std::make_unique<SqliteUnderTest>(std::move(default_schedule));
}

}  // namespace webhookd::test
