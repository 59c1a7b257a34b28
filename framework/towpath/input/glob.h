#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace towpath {

struct FoundFile {
  std::string path;  // as the pattern wrote it: relative stays relative
  uint64_t size = 0;
};

// The regular files that the patterns name, each once, sorted bytewise by path.
//
// `*`, `?`, `[a-z]` match within one folder's names, `**` any number of folders (links to folders
// are not followed there). A leading dot must be matched by a dot. A path that exists as it is
// written is itself.
//
// Errors     Invalid "no file matches …" for each pattern that finds nothing, and past a million
// files.
//            SystemError for a folder that can't be listed: files that nobody sees are worse than a
//            stop.
std::vector<FoundFile> find_files(const std::vector<std::string>& patterns);

}  // namespace towpath
