#include "towpath/process/code_address.h"

#include <link.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <span>

#include "towpath/base/error.h"
#include "towpath/base/format.h"
#include "towpath/process/load_module.h"
#include "towpath/process/module_path.h"
#include "towpath/process/module_stamp.h"

namespace towpath {
namespace {

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

bool has_other_build(const CodeAddress& address) {
  bool found = false;
  visit_modules([&](const dl_phdr_info& module) {
    found = path_of(module) == address.module && stamp_of(module) != address.stamp;
    return found;
  });
  return found;
}

[[noreturn]] void throw_replaced(const std::string& module) {
  throw Invalid(format("{} was replaced while the program ran: start the program again", module));
}

}  // namespace

CodeAddress locate_code(const void* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::optional<CodeAddress> found;
  visit_modules([&](const dl_phdr_info& module) {
    if (!covers(module, wanted)) return false;
    found = CodeAddress{path_of(module), stamp_of(module), wanted - module.dlpi_addr};
    return true;
  });
  if (!found)
    throw Invalid("a Process's target is not part of the program or of a library it loaded");
  return *std::move(found);
}

void* find_code(const CodeAddress& address) {
  uintptr_t found = 0;
  if (address.stamp.empty()) return nullptr;
  visit_modules([&](const dl_phdr_info& module) {
    if (stamp_of(module) == address.stamp && covers(module, module.dlpi_addr + address.offset))
      found = module.dlpi_addr + address.offset;
    return found != 0;
  });
  return reinterpret_cast<void*>(found);  // NOLINT(performance-no-int-to-ptr): as the loader has it
}

void* resolve_code(const CodeAddress& address) {
  if (void* const found = find_code(address)) return found;
  const std::string module = address.module.empty() ? "the executable" : address.module;
  if (has_other_build(address)) throw_replaced(module);
  std::string why;
  if (address.module.starts_with('/')) {
    const std::string stamp = stamp_of_file(address.module);
    if (!stamp.empty() && stamp != address.stamp) throw_replaced(module);
    try {
      load_module(address.module);
    } catch (const Invalid& error) {
      why = format(" ({})", error.what());
    }
    if (void* const found = find_code(address)) return found;
  }
  throw Invalid(
      format("{} holds the target but is not loaded in the child{}: leave the file where the "
             "parent loaded it, or link the program with it",
             module, why));
}

const std::string& program_stamp() {
  static const std::string stamp = [] {
    std::string of_executable;
    visit_modules([&](const dl_phdr_info& module) {
      of_executable = stamp_of(module);
      return true;  // the executable comes first
    });
    return of_executable;
  }();
  return stamp;
}

}  // namespace towpath
