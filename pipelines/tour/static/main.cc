// A program that is linked statically, for the tour's three_methods: it has children by each start
// method, shares things by name, says where they lie, and is killed.
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "towpath/base/program_session.h"
#include "towpath/memory/shared_memory.h"
#include "towpath/process/init.h"
#include "towpath/process/process.h"
#include "towpath/sync/semaphore.h"

using namespace towpath;

int main(int argc, char** argv) {
  init(argc, argv);
  std::cout << "a static program has children by";
  for (const Method method : get_all_start_methods()) {
    Process child(
        Options{.method = method}, [](int code) { std::exit(code); }, 42);
    child.start();
    child.join();
    if (child.exitcode() == 42) std::cout << ' ' << method_name(method);
  }
  const SharedMemory memory = SharedMemory::create(1 << 20);
  const Semaphore semaphore(2);
  std::cout << '\n' << program_session().folder() << std::endl;
  std::raise(SIGKILL);
}
