#include "towpath/plugin/sidecar.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/base/unique_fd.h"
#include "towpath/plugin/loader.h"

namespace towpath {
namespace {

constexpr std::string_view kMagic = "towpath-specs-1";
constexpr size_t kMaxNotes = 1 << 20;
constexpr size_t kMaxSidecar = 16 << 20;

struct File {
  std::string magic, key;
  PluginSpecs specs;
  TOWPATH_FIELDS(magic, key, specs)
};

UniqueFd open_to_read(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw_errno(format("open({})", path));
  return fd;
}

// False: the file ends before.
bool read_at(int fd, void* to, size_t size, uint64_t offset) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = ::pread(fd, at, size, static_cast<off_t>(offset));
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// The build-id among the notes of one segment, or empty.
std::string find_build_id(std::string_view notes) {
  const auto padded = [](size_t size) { return (size + 3) & ~size_t{3}; };
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data(), sizeof note);
    notes.remove_prefix(sizeof note);
    const size_t name = padded(note.n_namesz), description = padded(note.n_descsz);
    if (name > notes.size() || description > notes.size() - name) return {};
    if (note.n_type == NT_GNU_BUILD_ID &&
        notes.substr(0, note.n_namesz) == std::string_view("GNU\0", 4)) {
      return hex(notes.substr(name, note.n_descsz));
    }
    notes.remove_prefix(name + description);
  }
  return {};
}

std::string build_id(int fd, const std::string& plugin) {
  Elf64_Ehdr header;
  if (!read_at(fd, &header, sizeof header, 0) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr)) {
    throw Invalid(format("plugin {} is not a shared object of this machine", plugin));
  }
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!read_at(fd, &segment, sizeof segment, header.e_phoff + i * sizeof segment)) break;
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMaxNotes) continue;
    std::string notes(segment.p_filesz, '\0');
    if (!read_at(fd, notes.data(), notes.size(), segment.p_offset)) break;
    std::string id = find_build_id(notes);
    if (!id.empty()) return id;
  }
  return {};
}

}  // namespace

std::vector<StageSpec> PluginSpecs::decode() const {
  std::vector<StageSpec> decoded;
  for (const std::string& spec : specs) decoded.push_back(StageSpec::decode(spec));
  return decoded;
}

std::string build_key(const std::string& plugin) {
  const UniqueFd fd = open_to_read(plugin);
  const std::string id = build_id(fd.get(), plugin);
  if (!id.empty()) return "build-id " + id;
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno(format("fstat({})", plugin));
  return format("file of {} bytes, changed at {}.{:09}", status.st_size, status.st_mtim.tv_sec,
                status.st_mtim.tv_nsec);
}

std::string sidecar_path(const std::string& plugin) {
  return std::filesystem::path(plugin).replace_extension(".spec").string();
}

std::optional<PluginSpecs> read_sidecar(const std::string& plugin, std::string_view key) {
  const std::string path = sidecar_path(plugin);
  try {
    check_trusted(path);
    const UniqueFd fd = open_to_read(path);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0 || static_cast<size_t>(status.st_size) > kMaxSidecar)
      return {};
    std::string bytes(static_cast<size_t>(status.st_size), '\0');
    if (!read_at(fd.get(), bytes.data(), bytes.size(), 0)) return {};
    File file = from_bytes<File>(bytes);
    if (file.magic != kMagic || file.key != key) return {};
    file.specs.decode();
    return std::move(file.specs);
  } catch (const Error&) {
    return {};  // absent, damaged, of another version: the scan writes a new one
  }
}

void write_sidecar(const std::string& plugin, std::string_view key, const PluginSpecs& specs) {
  const std::string bytes = to_bytes(File{std::string(kMagic), std::string(key), specs});
  const std::string path = sidecar_path(plugin);
  std::string partial = path + ".XXXXXX";
  const UniqueFd fd(::mkstemp(partial.data()));
  if (!fd) throw_errno(format("mkstemp({})", partial));
  const bool written =
      ::fchmod(fd.get(), 0644) == 0 &&
      ::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
      ::rename(partial.c_str(), path.c_str()) == 0;
  if (written) return;
  const int error = errno;
  ::unlink(partial.c_str());
  throw SystemError(format("write({})", path), error);
}

}  // namespace towpath
