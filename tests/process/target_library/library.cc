// A shared library that no program is linked with: its function becomes a child's target.
#include <cstdlib>
#include <stdexcept>

extern "C" void exit_with(int code) { std::exit(code + TOWPATH_TEST_OFFSET); }

extern "C" void throw_from_library() { throw std::runtime_error("from the library"); }
