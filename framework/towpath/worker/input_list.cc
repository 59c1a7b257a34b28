#include "towpath/worker/input_list.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <tuple>
#include <utility>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/unique_fd.h"
#include "towpath/base/write_all.h"
#include "towpath/message/codec.h"

namespace towpath {
namespace {

// path, size, modified
using Line = std::tuple<std::string, uint64_t, int64_t>;

}  // namespace

void save_input_list(const std::string& path, const std::vector<FoundFile>& files) {
  std::vector<Line> lines;
  for (const FoundFile& each : files) lines.emplace_back(each.path, each.size, each.modified);
  const std::string folder = std::filesystem::path(path).parent_path();
  std::filesystem::create_directories(folder);
  const std::string draft = format("{}.{}.draft", path, ::getpid());
  const UniqueFd file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) throw_errno(format("open({})", draft));
  write_all(file.get(), to_bytes(lines), draft);
  if (::fsync(file.get()) != 0) throw_errno(format("fsync({})", draft));
  if (::rename(draft.c_str(), path.c_str()) != 0) throw_errno(format("rename({})", draft));
  const UniqueFd parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) throw_errno(format("fsync({})", folder));
}

std::optional<std::vector<FoundFile>> load_input_list(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || path.ends_with(".draft")) return std::nullopt;
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<FoundFile> files;
  for (auto& [name, size, modified] : from_bytes<std::vector<Line>>(bytes))
    files.push_back({std::move(name), size, modified});
  return files;
}

}  // namespace towpath
