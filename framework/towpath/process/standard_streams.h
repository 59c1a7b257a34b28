#pragma once

namespace towpath {

// Opens /dev/null for each of stdin, stdout, stderr that is closed: its number would be given to
// the next file opened, and printing would write there. It is opened to read only, so what is
// printed there fails, as it would into a closed stream.
void open_standard_streams();

}  // namespace towpath
