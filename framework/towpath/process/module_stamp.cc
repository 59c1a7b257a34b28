#include "towpath/process/module_stamp.h"

#include <elf.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>

#include "towpath/base/format.h"
#include "towpath/process/module_path.h"

namespace towpath {
namespace {

constexpr size_t kMostNotes = size_t{1} << 20;

size_t aligned4(size_t size) { return (size + 3) & ~size_t{3}; }

// The GNU build-id among the notes of one segment, as hexadecimal text.
std::string build_id_in(const char* notes, size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) head;
    std::memcpy(&head, notes, sizeof head);
    const size_t name_size = aligned4(head.n_namesz);
    const size_t whole = sizeof head + name_size + aligned4(head.n_descsz);
    if (whole > size) break;
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
        std::memcmp(notes + sizeof head, "GNU", 4) == 0) {
      std::string text = "build-id ";
      const char* id = notes + sizeof head + name_size;
      for (size_t i = 0; i < head.n_descsz; ++i) {
        text += format("{:02x}", static_cast<unsigned char>(id[i]));
      }
      return text;
    }
    notes += whole;
    size -= whole;
  }
  return {};
}

template <class T>
bool read_at(std::ifstream& file, uint64_t place, T* to, size_t size) {
  file.seekg(static_cast<std::streamoff>(place));
  return bool(file.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(size)));
}

std::string build_id_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  ElfW(Ehdr) head;
  if (!read_at(file, 0, &head, sizeof head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
      head.e_phentsize != sizeof(ElfW(Phdr)))
    return {};
  for (size_t i = 0; i < head.e_phnum; ++i) {
    ElfW(Phdr) segment;
    if (!read_at(file, head.e_phoff + i * sizeof segment, &segment, sizeof segment)) return {};
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMostNotes) continue;
    std::string notes(segment.p_filesz, '\0');
    if (!read_at(file, segment.p_offset, notes.data(), notes.size())) return {};
    if (std::string id = build_id_in(notes.data(), notes.size()); !id.empty()) return id;
  }
  return {};
}

std::string identity_of_file(const char* path) {
  struct stat file {};
  if (::stat(path, &file) != 0) return {};
  return format("file {}:{}:{}.{}:{}", file.st_dev, file.st_ino, file.st_mtim.tv_sec,
                file.st_mtim.tv_nsec, file.st_size);
}

}  // namespace

std::string stamp_of(const dl_phdr_info& module) {
  for (int i = 0; i < module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = module.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers.
    std::string id = build_id_in(reinterpret_cast<const char*>(module.dlpi_addr + segment.p_vaddr),
                                 segment.p_memsz);
    if (!id.empty()) return id;
  }
  const std::string path = path_of(module);
  return identity_of_file(path.empty() ? "/proc/self/exe" : path.c_str());
}

std::string stamp_of_file(const std::string& path) {
  std::string id = build_id_of_file(path);
  return id.empty() ? identity_of_file(path.c_str()) : id;
}

}  // namespace towpath
