#pragma once

#include <filesystem>

#include "store/sqlite/sqlite_store.h"

namespace webhookd::test {

// A directory that goes with the object.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

SqliteOptions options_for(const std::filesystem::path& directory);

// What a failed open says; empty when it succeeds.
std::string refusal_of(const std::filesystem::path& directory);

// All bytes of the files in the directory whose names begin with webhookd.db.
std::string database_bytes(const std::filesystem::path& directory);

}  // namespace webhookd::test
