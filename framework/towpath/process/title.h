#pragma once
#include <string_view>

namespace towpath {

// What `ps` and `top` show for this process, e.g. "towpath: word_count/count#1". The short name
// that `ps -o comm` and `top` show by default is what follows the last '/' (or "towpath: "), 15
// bytes of it. Overwrites main's argv. Cut where the space ends: 300 bytes in a child, arguments
// and environment of the program in the program itself. Call it from the main thread.
void set_process_title(std::string_view title);

}  // namespace towpath
