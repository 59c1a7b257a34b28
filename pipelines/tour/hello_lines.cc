// Ten processes print a line in pieces; the lock keeps the lines whole.
#include <unistd.h>

#include "pipelines/tour/examples.h"
#include "pipelines/tour/tour.h"

using namespace towpath;

namespace tour {
namespace {

void print(const std::string& text) {
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) throw_errno("write");
}

void greet(Lock lock, int number) {
  const Lock::Guard guard = lock.guard();
  print("hello ");
  print("world ");
  print(format("{}\n", number));
}

}  // namespace

void hello_lines() {
  const Lock lock;
  std::vector<Process> children;
  for (int i = 0; i < 10; ++i) {
    children.emplace_back(&greet, lock, i);
    children.back().start();
  }
}  // each is joined where it is destroyed

}  // namespace tour
