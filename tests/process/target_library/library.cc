// A shared library that no program is linked with: its function becomes a child's target.
#include <cstdlib>

extern "C" void exit_with(int code) { std::exit(code + TOWPATH_TEST_OFFSET); }
