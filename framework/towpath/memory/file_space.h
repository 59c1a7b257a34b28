#pragma once
#include <cstdint>
#include <string_view>

namespace towpath {

// The memory of files that are memory: those in /dev/shm, and memfds.

// Makes sure of memory for a range, so that writing there never meets SIGBUS. 0; or what the system
// said: ENOSPC, ENOMEM, EFBIG. Signals don't stop it.
int reserve_space(int fd, uint64_t at, uint64_t size);

// Invalid: so many bytes pass the limit that this process has on the size of files.
[[noreturn]] void throw_file_limit(std::string_view what, uint64_t size);
// The same, before such a file is made, if they do.
void require_file_limit(std::string_view what, uint64_t size);

}  // namespace towpath
