#include "towpath/process/code_address.h"

#include <elf.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath {
namespace {

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

std::string stamp_of(const dl_phdr_info& module) {
  for (int i = 0; i < module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = module.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers.
    std::string id = build_id_in(reinterpret_cast<const char*>(module.dlpi_addr + segment.p_vaddr),
                                 segment.p_memsz);
    if (!id.empty()) return id;
  }
  struct stat file {};
  const char* path = module.dlpi_name[0] == '\0' ? "/proc/self/exe" : module.dlpi_name;
  if (::stat(path, &file) != 0) return {};
  return format("file {}:{}:{}.{}:{}", file.st_dev, file.st_ino, file.st_mtim.tv_sec,
                file.st_mtim.tv_nsec, file.st_size);
}

bool covers(const dl_phdr_info& module, uintptr_t address) {
  const auto segments = std::span(module.dlpi_phdr, module.dlpi_phnum);
  return std::ranges::any_of(segments, [&](const ElfW(Phdr) & segment) {
    const uintptr_t begin = module.dlpi_addr + segment.p_vaddr;
    return segment.p_type == PT_LOAD && begin <= address && address < begin + segment.p_memsz;
  });
}

// Calls `visit` for each module until it returns true.
void visit_modules(const std::function<bool(const dl_phdr_info&)>& visit) {
  ::dl_iterate_phdr(
      [](dl_phdr_info* module, size_t, void* data) {
        return (*static_cast<const std::function<bool(const dl_phdr_info&)>*>(data))(*module) ? 1
                                                                                              : 0;
      },
      const_cast<void*>(static_cast<const void*>(&visit)));
}

}  // namespace

CodeAddress locate_code(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::optional<CodeAddress> found;
  visit_modules([&](const dl_phdr_info& module) {
    if (!covers(module, wanted)) return false;
    found = CodeAddress{module.dlpi_name, stamp_of(module), wanted - module.dlpi_addr};
    return true;
  });
  if (!found)
    throw Invalid("a Process's target is not part of the program or of a library it loaded");
  return *std::move(found);
}

void* resolve_code(const CodeAddress& address) {
  uintptr_t found = 0;
  bool other_build = false;
  visit_modules([&](const dl_phdr_info& module) {
    if (stamp_of(module) != address.stamp) {
      other_build |= address.module == module.dlpi_name;
      return false;
    }
    if (covers(module, module.dlpi_addr + address.offset))
      found = module.dlpi_addr + address.offset;
    return found != 0;
  });
  if (found != 0) {
    return reinterpret_cast<void*>(found);  // NOLINT(performance-no-int-to-ptr): as above
  }
  const std::string module = address.module.empty() ? "the executable" : address.module;
  if (other_build) {
    throw Invalid(format("{} was replaced while the program ran: start the program again", module));
  }
  throw Invalid(format(
      "{} holds the target but is not loaded in the child: link the program with it", module));
}

}  // namespace towpath
