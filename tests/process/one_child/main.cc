// A program with one child, by the start method that is its argument. Built once as usual and
// stripped, once linked statically as a whole.
#include <cstdio>
#include <string>

#include "towpath/process/init.h"
#include "towpath/process/process.h"
#include "towpath/sync/lock.h"

using namespace towpath;

namespace {

void report(int number, const std::string& from, const Lock& lock) {
  const auto held = lock.owner().kind;
  std::printf("child %d from %s\n", number, from.c_str());
  std::printf("the lock is %s\n", held == LockOwner::kNobody ? "free" : "held");
}

}  // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  if (argc != 2) return 2;
  const Lock lock;
  Process child(Options{.method = parse_method(argv[1])}, &report, 42, "program", lock);
  child.start();
  child.join();
  return child.exitcode().value_or(1);
}
