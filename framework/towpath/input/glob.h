#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace towpath {

struct FoundFile {
  std::string path;  // as the pattern wrote it: relative stays relative
  uint64_t size = 0;
  int64_t modified = 0;  // nanoseconds since 1970
};

// The regular files that the patterns name, each once, sorted bytewise by path.
//
// `*`, `?`, `[a-z]` match within one folder's names, `**` any number of folders (links to folders
// are not followed there). A leading dot must be matched by a dot. A path that exists as it is
// written is itself.
//
// Errors     Invalid "no file matches …" for each pattern that finds nothing, one that says so for
//            a path that names a folder, a pipe or a device, and past a million files.
//            SystemError for a folder that can't be listed and for a file that may not be read:
//            files that nobody sees are worse than a stop.
std::vector<FoundFile> find_files(const std::vector<std::string>& patterns);

// None: it is not there, or no regular file.
std::optional<FoundFile> look_at_file(const std::string& path);

// Whether find_files() would find the file `path` by this pattern; it need not be there yet.
// Links on the way to it are followed, in both.
bool would_find(const std::string& pattern, const std::string& path);

}  // namespace towpath
