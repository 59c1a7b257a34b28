#include "towpath/worker/unfinished.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/unique_fd.h"
#include "towpath/message/codec.h"

namespace towpath {
namespace {

constexpr std::string_view kSuffix = ".unfinished";

}  // namespace

void note_unfinished_files(const std::string& temp_dir, const std::string& identity,
                           const std::vector<std::string>& files) {
  const std::string path = format("{}/{}{}", temp_dir, identity, kSuffix);
  const std::string draft = path + ".draft";  // a note is whole at any time
  std::ofstream note(draft, std::ios::binary);
  note << to_bytes(files);
  note.flush();
  if (!note) throw_errno(format("write({})", draft));
  if (::rename(draft.c_str(), path.c_str()) != 0) throw_errno(format("rename({})", draft));
}

void remove_unfinished_files(const std::string& temp_dir) {
  std::error_code ignored;  // no folder, no notes
  for (const auto& entry : std::filesystem::directory_iterator(temp_dir, ignored)) {
    if (entry.path().extension() != kSuffix) continue;
    std::ifstream note(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(note), {}};
    std::vector<std::string> files;
    try {
      files = from_bytes<std::vector<std::string>>(bytes);
    } catch (const Invalid&) {
      continue;  // killed while it wrote the note: nothing was opened yet
    }
    for (const std::string& file : files) {
      const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
      if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(file.c_str());
    }
  }
}

}  // namespace towpath
