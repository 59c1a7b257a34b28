#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace towpath {

// Reads `size` bytes that lie at `at` of a file, however many calls that takes. SystemError names
// `what`: "pread(out/t.spool)". Invalid: the file ends before.
void read_all(int fd, void* into, size_t size, uint64_t at, std::string_view what);

}  // namespace towpath
