#pragma once
#include <string_view>

namespace towpath {

// What `ps` and `top` show for this process, e.g. "towpath: word_count/count#1". Their short name
// is what follows the last '/' (or "towpath: "), 15 bytes of it.
//
// Overwrites main's argv. A longer title is cut at 300 bytes in a child; in the program itself,
// where arguments and environment end. Call it from the main thread.
void set_process_title(std::string_view title);

}  // namespace towpath
