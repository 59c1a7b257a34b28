#pragma once

namespace towpath {

// Opens /dev/null for each of stdin, stdout, stderr that is closed: its number would be given to
// the next file opened, and printing would write there.
void open_standard_streams();

}  // namespace towpath
