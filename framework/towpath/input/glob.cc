#include "towpath/input/glob.h"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/input/output_path.h"

namespace towpath {
namespace {

constexpr size_t kMaxFiles = 1'000'000;
constexpr int kMaxFolders = 64;  // deep; deeper is a loop or a mistake

struct CloseDir {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// One folder's entries but . and .. ; unsorted: the end result is sorted once.
struct Entry {
  std::string name;
  unsigned char type;
};

std::vector<Entry> list(const std::string& folder) {
  const std::string path = folder.empty() ? "." : folder;
  const std::unique_ptr<DIR, CloseDir> stream(::opendir(path.c_str()));
  if (!stream) {
    // It may have been removed since its parent was listed.
    if (errno == ENOENT || errno == ENOTDIR) return {};
    throw_errno(format("opendir({})", path));
  }
  std::vector<Entry> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw_errno(format("readdir({})", path));
      return entries;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
  }
}

bool is_pattern(std::string_view text) { return text.find_first_of("*?[\\") != text.npos; }

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  }
  return parts;
}

FoundFile as_found(const std::string& path, const struct stat& status) {
  return {path, static_cast<uint64_t>(status.st_size),
          status.st_mtim.tv_sec * INT64_C(1'000'000'000) + status.st_mtim.tv_nsec};
}

class Search {
 public:
  Search(const std::string& pattern, std::vector<FoundFile>& found)
      : pattern_(pattern), parts_(split(pattern)), found_(found) {}

  void run() {
    if (pattern_.find('\0') != pattern_.npos) throw Invalid("a path can't hold a NUL byte");
    if (add_file(pattern_)) return;
    refuse_other_than_file();
    if (is_pattern(pattern_)) enter(pattern_.starts_with('/') ? "/" : "", 0, 0);
  }

 private:
  // The path as it is written is there, but can't be read, or not again after a crash.
  void refuse_other_than_file() const {
    struct stat status {};
    if (::stat(pattern_.c_str(), &status) != 0) return;
    if (S_ISDIR(status.st_mode)) {
      const std::string_view slash = pattern_.ends_with('/') ? "" : "/";
      throw Invalid(
          format("\"{0}\" is a folder; write {0}{1}* for the files in it, {0}{1}**/* for "
                 "those below it too",
                 pattern_, slash));
    }
    throw Invalid(
        format("\"{}\" is {}, which can't be read a second time after a fault; write what "
               "comes out of it to a file first",
               pattern_,
               S_ISFIFO(status.st_mode)   ? "a pipe"
               : S_ISSOCK(status.st_mode) ? "a socket"
                                          : "a device"));
  }

  bool add_file(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG)
        return false;
      throw_errno(format("stat({})", path));
    }
    if (!S_ISREG(status.st_mode)) return false;
    if (::access(path.c_str(), R_OK) != 0) {
      throw SystemError(format("\"{}\" can't be read: access({})", pattern_, path), errno);
    }
    if (found_.size() >= kMaxFiles) {
      throw Invalid(format("\"{}\" matches more than {} files", pattern_, kMaxFiles));
    }
    found_.push_back(as_found(path, status));
    return true;
  }

  static bool is_folder(const std::string& path, unsigned char type) {
    if (type == DT_DIR) return true;
    if (type != DT_UNKNOWN) return false;
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  }

  // `folder` is empty or ends with '/'.
  void enter(const std::string& folder, size_t part, int depth) {
    if (depth > kMaxFolders) {
      throw Invalid(
          format("\"{}\": {} lies more than {} folders deep", pattern_, folder, kMaxFolders));
    }
    const std::string& name = parts_[part];
    const bool last = part + 1 == parts_.size();
    if (name == "**") {
      if (last) {  // dir/** names the files of all depths
        for (const Entry& entry : list(folder)) {
          if (!entry.name.starts_with('.')) add_file(folder + entry.name);
        }
      } else {
        enter(folder, part + 1, depth);
      }
      for (const Entry& entry : list(folder)) {
        if (entry.name.starts_with('.') || !is_folder(folder + entry.name, entry.type)) continue;
        enter(folder + entry.name + '/', part, depth + 1);
      }
    } else if (!is_pattern(name)) {
      if (last) {
        add_file(folder + name);
      } else {
        enter(folder + name + '/', part + 1, depth + 1);
      }
    } else {
      for (const Entry& entry : list(folder)) {
        if (::fnmatch(name.c_str(), entry.name.c_str(), FNM_PERIOD) != 0) continue;
        if (last) {
          add_file(folder + entry.name);
        } else if (entry.type == DT_DIR || entry.type == DT_LNK || entry.type == DT_UNKNOWN) {
          enter(folder + entry.name + '/', part + 1, depth + 1);
        }
      }
    }
  }

  const std::string& pattern_;
  const std::vector<std::string> parts_;
  std::vector<FoundFile>& found_;
};

}  // namespace

namespace {

// Whether the folders and the name in `path` from `at` on match those of the pattern.
bool matches(const std::vector<std::string>& pattern, size_t part,
             const std::vector<std::string>& path, size_t at) {
  if (part == pattern.size() || at == path.size())
    return part == pattern.size() && at == path.size();
  if (pattern[part] != "**") {
    return ::fnmatch(pattern[part].c_str(), path[at].c_str(), FNM_PERIOD) == 0 &&
           matches(pattern, part + 1, path, at + 1);
  }
  const bool last = part + 1 == pattern.size();
  if (last && at + 1 == path.size()) return !path[at].starts_with('.');
  return (!last && matches(pattern, part + 1, path, at)) ||
         (!path[at].starts_with('.') && matches(pattern, part, path, at + 1));
}

}  // namespace

bool would_find(const std::string& pattern, const std::string& path) {
  if (pattern.find('\0') != pattern.npos || path.find('\0') != path.npos) return false;
  const std::string file = real_path(path);
  struct stat wanted {
  }, status{};
  if (::stat(pattern.c_str(), &status) == 0 || !is_pattern(pattern)) {
    return real_path(pattern) == file;
  }
  // The folders that are written out may be links; what matches below them is taken by its name.
  std::string folder = pattern.starts_with('/') ? "/" : "";
  std::vector<std::string> parts = split(pattern);
  while (!parts.empty() && !is_pattern(parts.front()) && parts.front() != "**") {
    folder += parts.front() + "/";
    parts.erase(parts.begin());
  }
  std::string real = real_path(folder.empty() ? "." : folder);
  if (!real.ends_with('/')) real += '/';
  if (file.starts_with(real) && matches(parts, 0, split(file.substr(real.size())), 0)) return true;
  // Links among what it finds today.
  if (::stat(path.c_str(), &wanted) != 0) return false;
  std::vector<FoundFile> found;
  Search(pattern, found).run();
  return std::ranges::any_of(found, [&](const FoundFile& each) {
    return each.size == static_cast<uint64_t>(wanted.st_size) &&
           ::stat(each.path.c_str(), &status) == 0 && status.st_dev == wanted.st_dev &&
           status.st_ino == wanted.st_ino;
  });
}

std::optional<FoundFile> look_at_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return as_found(path, status);
}

std::vector<FoundFile> find_files(const std::vector<std::string>& patterns) {
  std::vector<FoundFile> found;
  std::string missing;
  for (const std::string& pattern : patterns) {
    const size_t before = found.size();
    Search(pattern, found).run();
    if (found.size() == before) {
      missing += format("{}\"{}\"", missing.empty() ? "no file matches " : ", none ", pattern);
    }
  }
  if (!missing.empty()) throw Invalid(missing);
  std::ranges::sort(found, {}, &FoundFile::path);
  const auto twice = std::ranges::unique(found, {}, &FoundFile::path);
  found.erase(twice.begin(), twice.end());
  return found;
}

}  // namespace towpath
