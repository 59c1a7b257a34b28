#include <cstdio>
#include <exception>

#include "towpath/plugin/scan.h"

// towpath_write_spec PLUGIN…: writes the sidecar of each plugin. The build runs it behind the
// linker.
int main(int argc, char** argv) {
  try {
    for (int i = 1; i < argc; ++i) towpath::write_specs(argv[i]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
