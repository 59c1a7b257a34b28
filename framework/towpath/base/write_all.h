#pragma once
#include <string_view>

namespace towpath {

// Writes all of `bytes` to a blocking descriptor, however many calls that takes. SystemError names
// `what`: "write(out/rejects.jsonl)".
void write_all(int fd, std::string_view bytes, std::string_view what);

}  // namespace towpath
