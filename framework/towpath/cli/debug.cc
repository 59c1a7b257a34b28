#include <iostream>

#include "towpath/cli/commands.h"
#include "towpath/coordinator/states.h"

namespace towpath::cli {

int debug_tables() {
  std::cout << show_lifecycles();
  return 0;
}

}  // namespace towpath::cli
