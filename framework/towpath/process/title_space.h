#pragma once

namespace towpath {

// Remembers where argv lies, for set_process_title. init calls it before anything moves.
void find_title_space(int argc, char** argv);

}  // namespace towpath
