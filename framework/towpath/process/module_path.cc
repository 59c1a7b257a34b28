#include "towpath/process/module_path.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <span>
#include <string_view>

namespace towpath {
namespace {

uintptr_t begin_of(const dl_phdr_info& module) {
  const auto segments = std::span(module.dlpi_phdr, module.dlpi_phnum);
  const auto first = std::ranges::find(segments, uint32_t{PT_LOAD}, &ElfW(Phdr)::p_type);
  return module.dlpi_addr + (first == segments.end() ? 0 : first->p_vaddr);
}

// The path of the file that is mapped there, as the kernel has it; empty: it can't be told.
std::string mapped_at(uintptr_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    int path = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %*s %n", &begin, &end, &path) != 2) continue;
    if (address < begin || end <= address) continue;
    constexpr std::string_view kGone = " (deleted)";
    line.erase(0, static_cast<size_t>(path));
    if (line.ends_with(kGone)) line.resize(line.size() - kGone.size());
    return line.starts_with('/') ? line : "";
  }
  return {};
}

}  // namespace

std::string path_of(const dl_phdr_info& module) {
  const std::string_view name = module.dlpi_name;
  if (name.starts_with('/') || name.find('/') == name.npos) return std::string(name);
  std::string mapped = mapped_at(begin_of(module));
  return mapped.empty() ? std::string(name) : mapped;
}

}  // namespace towpath
