// A program with a global Lock: it is made before main calls towpath::init, so it never comes that
// far.
#include <sys/resource.h>

#include <cstdio>

#include "towpath/process/init.h"
#include "towpath/sync/lock.h"

using namespace towpath;

namespace {

// Before the lock: the end is no news, and leaves no core.
const rlimit kNoCore{};
const int no_core = ::setrlimit(RLIMIT_CORE, &kNoCore);
Lock lock;

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  std::puts(lock.locked() || no_core != 0 ? "locked" : "main ran");
}
