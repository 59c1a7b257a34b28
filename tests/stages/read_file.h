#pragma once
#include <string>
#include <string_view>

#include "input/temp_folder.h"
#include "towpath/base/format.h"
#include "towpath/stage/stage_tester.h"

// Runs a reader over files, as a `files` stage with the path of the first would.
inline towpath::StageTester reader(towpath::StageEntry entry, std::string_view kind,
                                   const std::string& path, std::string_view options = "") {
  return towpath::StageTester(entry,
                              towpath::format("{}: {{ path: \"{}\"{}{} }}", kind, path,
                                              options.empty() ? "" : ", ", options),
                              {{"path", towpath::Type::kString}});
}
inline towpath::StageTester::Rows rows_of_paths(const std::vector<std::string>& paths) {
  towpath::StageTester::Rows rows;
  for (const std::string& path : paths) rows.push_back({{"path", path}});
  return rows;
}
