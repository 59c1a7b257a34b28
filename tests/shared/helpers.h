#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sync/helpers.h"
#include "towpath/base/program_session.h"
#include "towpath/shared/manager.h"

// What the tests of this folder need.

// Files in the session's folder whose names begin so.
inline std::vector<std::string> shared_files(std::string_view prefix = "") {
  std::vector<std::string> found;
  for (const auto& file :
       std::filesystem::directory_iterator(towpath::program_session().folder())) {
    const std::string name = file.path().filename();
    if (name.starts_with(prefix) && !name.starts_with(".")) found.push_back(name);
  }
  return found;
}

// Nobody waits for the end of an object that nobody refers to any more.
inline bool has_objects(const towpath::Manager& manager, uint64_t number) {
  return await([&] { return manager.number_of_objects() == number; });
}
